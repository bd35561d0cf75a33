#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace octet {
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

}  // namespace

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) {
    const ErrorCode code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument;
    return Fail(code, path, ": can't be opened: ", std::strerror(errno));
  }
  struct stat status = {};
  if (::fstat(descriptor.get(), &status) != 0) return Fail(ErrorCode::kInternal, path, ": ", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return Fail(ErrorCode::kInvalidArgument, path, ": is a directory, a file is expected");
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kInvalidArgument, path, ": is not a regular file");

  MappedFile file;
  file.size_ = static_cast<size_t>(status.st_size);
  if (file.size_ == 0) return file;
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (data == MAP_FAILED) {
    file.size_ = 0;
    return Fail(ErrorCode::kExhausted, path, ": can't be mapped: ", std::strerror(errno));
  }
  file.data_ = static_cast<const std::byte*>(data);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

// Advice on the range's pages, in whole windows as the system maps them around a read: by addresses, not by offsets.
static void Advise(std::span<const std::byte> file, size_t offset, size_t size, int advice) {
  constexpr uintptr_t kWindow = 65536;
  if (offset >= file.size() || size == 0) return;
  const auto first = reinterpret_cast<uintptr_t>(file.data()), last = first + file.size();
  const uintptr_t begin = std::max((first + offset) / kWindow * kWindow, first);
  const uintptr_t behind = first + offset + std::min(size, file.size() - offset);
  const uintptr_t end = std::min((behind + kWindow - 1) / kWindow * kWindow, last);
  ::madvise(const_cast<std::byte*>(file.data()) + (begin - first), end - begin, advice);
}

void MappedFile::Release(size_t offset, size_t size) const { Advise(bytes(), offset, size, MADV_DONTNEED); }
void MappedFile::Expect(size_t offset, size_t size) const { Advise(bytes(), offset, size, MADV_WILLNEED); }

// What comes through a pipe or the like until its end.
static Result<std::string> ReadStream(const std::filesystem::path& path, size_t limit) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return Fail(ErrorCode::kInvalidArgument, path, ": can't be opened: ", std::strerror(errno));
  std::string text;
  char block[65536];
  while (true) {
    const ssize_t got = ::read(descriptor.get(), block, sizeof block);
    if (got == 0) return text;
    if (got < 0) return Fail(ErrorCode::kInvalidArgument, path, ": can't be read: ", std::strerror(errno));
    text.append(block, static_cast<size_t>(got));
    if (text.size() > limit)
      return Fail(ErrorCode::kUnsupported, path, ": has more than the ", limit, " bytes that are read at most");
  }
}

Result<std::string> ReadTextFile(const std::filesystem::path& path, size_t limit) {
  std::error_code ignored;  // what can't be looked at can't be opened either
  const std::filesystem::file_type type = std::filesystem::status(path, ignored).type();
  if (type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character)
    return ReadStream(path, limit);
  MappedFile file = OCTET_TRY(MappedFile::Open(path));
  if (file.size() > limit) {
    return Fail(ErrorCode::kUnsupported, path, ": has ", file.size(), " bytes, at most ", limit, " are read");
  }
  return std::string(file.text());
}

}  // namespace octet
