#include "formats/staged_directory.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/partial_path.h"
#include "base/system_error.h"
#include "formats/directory_mark.h"
#include "formats/replace_content.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

// The directory itself. A link is followed, since a rename would put a directory in its place and leave what it leads
// to as it was; so are links further up, which `..` behind them steps out of.
Result<fs::path> FindTarget(const fs::path& path) {
  std::error_code error;
  fs::path target = fs::absolute(path, error);
  if (error) return SystemError(path, "is no name of a directory", error);
  if (!target.has_filename()) target = target.parent_path();
  if (fs::is_symlink(fs::symlink_status(target, error)) && !fs::exists(target, error)) {
    return Fail(ErrorCode::kInvalidArgument, path,
                ": is a symbolic link that leads to no directory; name the directory itself");
  }
  target = fs::weakly_canonical(target, error);
  if (error) return SystemError(path, "can't be looked up", error);
  return target;
}

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether a directory, which the user calls `shown`, may be replaced.
Status CheckTarget(const fs::path& path, const fs::path& shown) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) {
    return Fail(ErrorCode::kInvalidArgument, shown, ": is a file, a directory is to be written there");
  }
  const std::vector<std::string> names = OCTET_TRY(NamesIn(path));
  if (names.empty()) return {};
  if (!fs::exists(fs::symlink_status(path / kDirectoryMark, error))) {
    return Fail(ErrorCode::kInvalidArgument, shown,
                ": is not empty and wasn't made by octet; name another directory or remove it first");
  }
  const std::vector<std::string> marked = OCTET_TRY(MarkedNames(path / kDirectoryMark));
  const auto foreign =
      std::find_if(names.begin(), names.end(), [&](const std::string& name) { return !Has(marked, name); });
  if (foreign == names.end()) return {};
  return Fail(ErrorCode::kInvalidArgument, shown, ": holds ", *foreign,
              ", which octet didn't write; move it away or name another directory");
}

// Whether replacing `target` would remove `source`, whatever names lead to the two.
bool Holds(const fs::path& target, const fs::path& source) {
  std::error_code error;
  fs::path inner = fs::canonical(source, error);
  while (!error && inner.has_relative_path()) {
    if (std::error_code absent; fs::equivalent(inner, target, absent)) return true;
    inner = inner.parent_path();
  }
  return false;
}

// Whether one of the files of a directory is a link into `target`.
bool HoldsAFileOf(const fs::path& target, const fs::path& source) {
  std::error_code error;
  fs::directory_iterator entries(source, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->is_symlink(error) && Holds(target, entries->path())) return true;
  }
  return false;
}

}  // namespace

Status StagedDirectory::Check(const fs::path& path, const fs::path& source) {
  const fs::path target = OCTET_TRY(FindTarget(path));
  if (Holds(target, source) || HoldsAFileOf(target, source)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": replacing it would remove what is read, ", source,
                "; name another directory");
  }
  return CheckTarget(target, path);
}

Result<StagedDirectory> StagedDirectory::Create(const fs::path& path, const fs::path& source) {
  OCTET_TRY(Check(path, source));
  std::error_code error;
  StagedDirectory staged;
  staged.target_ = OCTET_TRY(FindTarget(path));
  // A directory that exists stays the same directory: it may be a mount point, or where someone works.
  staged.is_inside_ = fs::exists(staged.target_, error);
  const fs::path parent = staged.is_inside_ ? staged.target_ : staged.target_.parent_path();
  // A name inside doesn't depend on the directory's own, which may change.
  const std::string name = staged.is_inside_ ? std::string(kDirectoryMark) : staged.target_.filename().native();
  if (staged.is_inside_) {
    const DirectoryLock lock(staged.target_);
    RemoveLeftovers(parent, name, [&](const fs::path& stage) { return PutBack(staged.target_, stage); });
  } else {
    RemoveLeftovers(parent, name);
  }
  for (fs::path above = parent; !above.empty() && !fs::exists(above, error); above = above.parent_path())
    staged.made_parents_.push_back(above);
  fs::create_directories(parent, error);
  if (error) return SystemError(path, "can't be created", error);
  Partial stage = CreatePartialDirectory(parent, name);
  if (stage.descriptor < 0) {
    return SystemError(path, "can't be created", std::error_code(errno, std::generic_category()));
  }
  staged.stage_ = std::move(stage.path);
  staged.descriptor_ = stage.descriptor;
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)),
      stage_(std::exchange(other.stage_, {})),
      made_parents_(std::move(other.made_parents_)),
      is_inside_(other.is_inside_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

StagedDirectory::~StagedDirectory() {
  std::error_code error;
  if (!stage_.empty()) {
    fs::remove_all(stage_, error);
    for (const fs::path& parent : made_parents_) fs::remove(parent, error);  // unless others use it by now
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status StagedDirectory::Commit() {
  Status done = is_inside_ ? Replace() : TakeName();
  if (!done) return tl::unexpected<Error>(WithTargetName(std::move(done).error()));
  stage_.clear();
  return {};
}

Status StagedDirectory::TakeName() {
  OCTET_TRY(CheckTarget(target_, target_));
  const std::vector<std::string> made = OCTET_TRY(NamesIn(stage_));
  OCTET_TRY(WriteFileAtomically(stage_ / kDirectoryMark, MarkOf(made)));
  std::error_code error;
  fs::rename(stage_, target_, error);
  if (error) return SystemError(target_, "can't be created", error);
  return {};
}

Status StagedDirectory::Replace() {
  const DirectoryLock lock(target_);
  OCTET_TRY(CheckTarget(target_, target_));
  Status replaced = ReplaceContent(target_, stage_);
  std::error_code error;
  if (replaced) {
    fs::remove_all(stage_, error);
  } else if (!PutBack(target_, stage_)) {
    // Removing the stage would remove what it holds; the next run tries again to put it back.
    replaced.error().message += Cat("; what was there before is in ", ReplacedFiles(std::exchange(stage_, {})));
  }
  return replaced;
}

Error StagedDirectory::WithTargetName(Error error) const {
  const std::string& hidden = stage_.native();
  if (hidden.empty()) return error;
  for (size_t at = error.message.find(hidden); at != std::string::npos; at = error.message.find(hidden, at)) {
    error.message.replace(at, hidden.size(), target_.native());
    at += target_.native().size();
  }
  return error;
}

}  // namespace octet
