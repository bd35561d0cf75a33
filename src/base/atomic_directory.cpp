#include "base/atomic_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace octet {
namespace {

namespace fs = std::filesystem;

ErrorCode CodeOf(const std::error_code& error) {
  if (error == std::errc::no_space_on_device) return ErrorCode::kExhausted;
  if (error == std::errc::no_such_file_or_directory) return ErrorCode::kNotFound;
  return ErrorCode::kInvalidArgument;
}

// An empty directory may be replaced; anything else is the user's.
Status CheckFree(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target, error);
  if (status.type() == fs::file_type::not_found) return {};
  if (status.type() != fs::file_type::directory) {
    return Fail(ErrorCode::kInvalidArgument, target, ": exists and is not a directory; take another name");
  }
  if (!fs::is_empty(target, error) || error) {
    return Fail(ErrorCode::kInvalidArgument, target, ": exists and is not empty; remove it or take another name");
  }
  return {};
}

// "models/fp8/" and "models/fp8" are one place.
fs::path WithoutTrailingSlash(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

}  // namespace

Result<AtomicDirectory> AtomicDirectory::Create(const fs::path& target_path) {
  const fs::path target = WithoutTrailingSlash(fs::absolute(target_path));
  OCTET_TRY(CheckFree(target));
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) return Fail(CodeOf(error), target.parent_path(), ": can't be made: ", error.message());
  const fs::path temporary = target.parent_path() / Cat(".", target.filename().native(), ".", ::getpid(), ".partial");
  if (!fs::create_directory(temporary, error) && error) {
    return Fail(CodeOf(error), target_path, ": can't be made: ", error.message());
  }
  return AtomicDirectory(target, temporary);
}

AtomicDirectory::AtomicDirectory(AtomicDirectory&& other) noexcept
    : target_(std::move(other.target_)), temporary_(std::exchange(other.temporary_, fs::path())) {}

AtomicDirectory::~AtomicDirectory() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

Status AtomicDirectory::Commit() {
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    return Fail(errno == ENOSPC ? ErrorCode::kExhausted : ErrorCode::kInvalidArgument, target_,
                ": the finished directory can't take this name: ", std::strerror(errno));
  }
  temporary_.clear();
  const int parent = ::open(target_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
  return {};
}

Error AtomicDirectory::WithTargetName(Error error) const {
  const std::string& hidden = temporary_.native();
  if (hidden.empty()) return error;
  for (size_t at = error.message.find(hidden); at != std::string::npos; at = error.message.find(hidden, at)) {
    error.message.replace(at, hidden.size(), target_.native());
    at += target_.native().size();
  }
  return error;
}

}  // namespace octet
