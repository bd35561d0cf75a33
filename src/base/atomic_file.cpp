#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/partial_path.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> WriteError(const std::filesystem::path& path, uint64_t written) {
  const bool full = errno == ENOSPC || errno == EDQUOT, limited = errno == EFBIG;
  return Fail(full || limited ? ErrorCode::kExhausted : ErrorCode::kInvalidArgument, path, ": writing stopped after ",
              written, " bytes: ", std::strerror(errno),
              full      ? "; nothing was kept, free some space and run it again"
              : limited ? "; nothing was kept, raise the limit on the size of files (ulimit -f) or use a file system "
                          "that takes larger ones"
                        : "");
}

// The file that takes the bytes. A rename puts a file in the place of whatever has the name: of a device it would make
// a file, and of a link too, leaving the file that the link led to as it was. So a link is followed, and what is no
// file is refused.
Result<fs::path> FindTarget(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return Fail(ErrorCode::kInvalidArgument, path, ": is a directory; name a file");
  if (!path.has_filename()) return Fail(ErrorCode::kInvalidArgument, "`", path, "` names no file");
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    return Fail(ErrorCode::kInvalidArgument, path, ": is no regular file; name another");
  }
  if (!fs::is_symlink(fs::symlink_status(path, error))) return path;
  fs::path target = fs::canonical(path, error);
  if (error) {
    return Fail(ErrorCode::kInvalidArgument, path, ": is a symbolic link that leads to no file: ", error.message(),
                "; name the file itself");
  }
  return target;
}

// The permissions of the file that is replaced. At once, so that nobody else reads half a file that is to be private;
// a file system that knows none is no reason to fail.
void KeepPermissions(const fs::path& replaced, int descriptor) {
  struct stat before = {};
  if (::stat(replaced.c_str(), &before) != 0 || !S_ISREG(before.st_mode)) return;
  [[maybe_unused]] const int changed = ::fchmod(descriptor, before.st_mode & 0777);
}

}  // namespace

Result<AtomicFile> AtomicFile::Create(const std::filesystem::path& path) {
  AtomicFile file;
  file.path_ = OCTET_TRY(FindTarget(path));
  const fs::path directory = file.path_.parent_path();
  const std::string name = file.path_.filename().native();
  RemoveLeftovers(directory, name);
  Partial partial = CreatePartialFile(directory, name);
  file.temporary_ = std::move(partial.path);
  file.descriptor_ = partial.descriptor;
  if (file.descriptor_ < 0) {
    return Fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument, path,
                ": can't be created: ", std::strerror(errno));
  }
  KeepPermissions(file.path_, file.descriptor_);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      handed_over_(other.handed_over_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError(path_, size_);
    size_ += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
    HandOver();
  }
  return {};
}

void AtomicFile::HandOver() {
  constexpr uint64_t kPiece = uint64_t{16} << 20;
  if (size_ - handed_over_ < kPiece) return;
#if defined(__linux__)
  // Advice only: what it leaves undone, Commit waits for.
  static_cast<void>(::sync_file_range(descriptor_, static_cast<off_t>(handed_over_),
                                      static_cast<off_t>(size_ - handed_over_), SYNC_FILE_RANGE_WRITE));
#endif
  handed_over_ = size_;
}

Status AtomicFile::Write(std::string_view text) { return Write(std::as_bytes(std::span(text.data(), text.size()))); }

Status AtomicFile::Align(uint64_t alignment) {
  static constexpr std::array<std::byte, 4096> kZeros = {};
  uint64_t missing = (alignment - size_ % alignment) % alignment;
  while (missing > 0) {
    const size_t step = static_cast<size_t>(std::min<uint64_t>(missing, kZeros.size()));
    OCTET_TRY(Write(std::span(kZeros).first(step)));
    missing -= step;
  }
  return {};
}

Status AtomicFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError(path_, offset);
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status AtomicFile::Commit() {
  if (::fsync(descriptor_) != 0) return WriteError(path_, size_);
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    errno = reason;
    return WriteError(path_, size_);
  }
  return {};
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file = OCTET_TRY(AtomicFile::Create(path));
  OCTET_TRY(file.Write(content));
  return file.Commit();
}

}  // namespace octet
