#include "formats/staged_directory.h"

#include <unistd.h>

#include <utility>

#include "base/atomic_file.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".octet";

fs::path Neighbour(const fs::path& path, std::string_view ending) {
  return path.parent_path() / Cat(".", path.filename().native(), ".", ::getpid(), ".", ending);
}

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

Status CheckTarget(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": is a file, a directory is to be written there");
  }
  if (fs::is_empty(path, error) || fs::exists(path / kMark, error)) return {};
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

Result<StagedDirectory> StagedDirectory::Create(const fs::path& path, const fs::path& source) {
  std::error_code error;
  StagedDirectory staged;
  staged.target_ = OCTET_TRY(FindTarget(path));
  if (Holds(staged.target_, source)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": replacing it would remove the model that is read, ", source,
                "; name another directory");
  }
  OCTET_TRY(CheckTarget(staged.target_));
  const fs::path stage = Neighbour(staged.target_, "partial");
  fs::remove_all(stage, error);
  if (!fs::create_directories(stage, error)) return SystemError(path, "can't be created", error);
  staged.stage_ = stage;
  OCTET_TRY(WriteFileAtomically(stage / kMark, "Made by octet, which may replace this directory.\n"));
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : target_(std::move(other.target_)), stage_(std::exchange(other.stage_, {})) {}

StagedDirectory::~StagedDirectory() {
  std::error_code error;
  if (!stage_.empty()) fs::remove_all(stage_, error);
}

Status StagedDirectory::Commit() {
  OCTET_TRY(CheckTarget(target_));
  std::error_code error;
  const fs::path old = Neighbour(target_, "old");
  const bool replaces = fs::exists(target_, error);
  if (replaces) {
    fs::rename(target_, old, error);
    if (error) return SystemError(target_, "can't be replaced", error);
  }
  fs::rename(stage_, target_, error);
  if (error) {
    std::error_code restoring;
    if (replaces) fs::rename(old, target_, restoring);
    return SystemError(target_, "can't be created", error);
  }
  stage_.clear();
  if (replaces) fs::remove_all(old, error);
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
