#include "formats/staged_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/partial_path.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".octet", kConfiguration = "config.json";

tl::unexpected<Error> SystemError(const fs::path& path, std::string_view what, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device;
  return Fail(full ? ErrorCode::kExhausted : ErrorCode::kInvalidArgument, path, ": ", what, ": ", error.message());
}

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

// What lies in a directory, but for stages of `name`. The mark comes first and the configuration, without which a
// directory is no model, last.
Result<std::vector<std::string>> NamesIn(const fs::path& directory, std::string_view name) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string entry = entries->path().filename().native();
    if (!IsPartialName(entry, name)) names.push_back(std::move(entry));
  }
  if (error) return SystemError(directory, "can't be read", error);
  const auto place = [](const std::string& entry) { return entry == kMark ? 0 : entry == kConfiguration ? 2 : 1; };
  std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(place(a), std::string_view(a)) < std::pair(place(b), std::string_view(b));
  });
  return names;
}

Status CheckTarget(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": is a file, a directory is to be written there");
  }
  const std::vector<std::string> names = OCTET_TRY(NamesIn(path, path.filename().native()));
  if (names.empty() || std::find(names.begin(), names.end(), kMark) != names.end()) return {};
  return Fail(ErrorCode::kInvalidArgument, path,
              ": is not empty and wasn't made by octet; name another directory or remove it first");
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

}  // namespace

Status StagedDirectory::Check(const fs::path& path, const fs::path& source) {
  const fs::path target = OCTET_TRY(FindTarget(path));
  if (Holds(target, source)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": replacing it would remove the model that is read, ", source,
                "; name another directory");
  }
  return CheckTarget(target);
}

Result<StagedDirectory> StagedDirectory::Create(const fs::path& path, const fs::path& source) {
  OCTET_TRY(Check(path, source));
  std::error_code error;
  StagedDirectory staged;
  staged.target_ = OCTET_TRY(FindTarget(path));
  // A directory that exists stays the same directory: it may be a mount point, or where someone works.
  staged.is_inside_ = fs::exists(staged.target_, error);
  const fs::path parent = staged.is_inside_ ? staged.target_ : staged.target_.parent_path();
  const std::string name = staged.target_.filename().native();
  RemoveLeftovers(parent, name);
  const fs::path stage = parent / PartialName(name);
  fs::remove_all(stage, error);
  if (!fs::create_directories(stage, error)) return SystemError(path, "can't be created", error);
  staged.stage_ = stage;
  staged.descriptor_ = ::open(stage.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  MarkInUse(staged.descriptor_);
  OCTET_TRY(WriteFileAtomically(stage / kMark, "Made by octet, which may replace this directory.\n"));
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)),
      stage_(std::exchange(other.stage_, {})),
      is_inside_(other.is_inside_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

StagedDirectory::~StagedDirectory() {
  std::error_code error;
  if (!stage_.empty()) fs::remove_all(stage_, error);
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status StagedDirectory::Commit() {
  OCTET_TRY(CheckTarget(target_));
  std::error_code error;
  if (is_inside_) {
    OCTET_TRY(ReplaceContent());
    fs::remove(stage_, error);
  } else {
    fs::rename(stage_, target_, error);
    if (error) return SystemError(target_, "can't be created", error);
  }
  stage_.clear();
  return {};
}

// The configuration goes first and comes last, so that nobody takes a mixture of two models for one; the mark stays, so
// that what an interruption leaves can be replaced.
Status StagedDirectory::ReplaceContent() {
  const std::string name = target_.filename().native();
  const std::vector<std::string> made = OCTET_TRY(NamesIn(stage_, name));
  std::vector<std::string> old = OCTET_TRY(NamesIn(target_, name));
  std::reverse(old.begin(), old.end());
  std::error_code error;
  for (const std::string& entry : old) {
    if (entry != kMark) fs::remove_all(target_ / entry, error);
    if (error) return SystemError(target_ / entry, "can't be replaced", error);
  }
  for (const std::string& entry : made) {
    fs::rename(stage_ / entry, target_ / entry, error);
    if (error) return SystemError(target_ / entry, "can't be created", error);
  }
  return {};
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
