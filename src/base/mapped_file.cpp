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

#include "base/cut_files.h"

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

constexpr size_t kHugePage = size_t{1} << 21;
// What the system maps around a read.
constexpr size_t kWindow = 65536;

void* Map(void* address, size_t size, int flags, int file) {
  return ::mmap(address, size, PROT_READ, MAP_PRIVATE | flags, file, 0);
}

// A whole file at a window's boundary that is none of a huge page. Left to itself the system lays large files on those,
// and then one read maps 2 MB where the file was just written and still lies in pages of that size: of a table that is
// only looked up, all would soon be resident.
void* MapOffHugePages(size_t size, int file) {
  const size_t room = size + kHugePage + kWindow;
  void* const reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return Map(nullptr, size, 0, file);  // more is resident, nothing is wrong
  const auto begin = reinterpret_cast<uintptr_t>(reserved), end = begin + room;
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage + kWindow;
  std::byte* const before = static_cast<std::byte*>(reserved);
  void* const data = Map(before + (first - begin), size, MAP_FIXED, file);
  if (data == MAP_FAILED) {
    ::munmap(reserved, room);
    return data;
  }
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t behind = (first + size + page - 1) / page * page;
  ::munmap(reserved, first - begin);
  ::munmap(before + (behind - begin), end - behind);
  return data;
}

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
  void* data = file.size_ < kHugePage ? Map(nullptr, file.size_, 0, descriptor.get())
                                      : MapOffHugePages(file.size_, descriptor.get());
  if (data == MAP_FAILED) {
    file.size_ = 0;
    return Fail(ErrorCode::kExhausted, path, ": can't be mapped: ", std::strerror(errno));
  }
  file.data_ = static_cast<const std::byte*>(data);
  NoteMapped(file.bytes(), path, status);
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
  if (data_ == nullptr) return;
  ForgetMapped(data_);  // before another may have the addresses
  ::munmap(const_cast<std::byte*>(data_), size_);
}

// Advice on the range's pages, in whole windows as the system maps them around a read: by addresses, not by offsets.
static void Advise(std::span<const std::byte> file, size_t offset, size_t size, int advice) {
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
