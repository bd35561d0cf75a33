#include "base/scratch_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/checked.h"

namespace octet {
namespace {

// A descriptor of `bytes` on the disk; each has its place there, so that no write through the mapping can fail later.
Result<int> MakeUnnamedFile(uint64_t bytes, const std::filesystem::path& directory) {
  std::string name = (directory / ".octet-scratch-XXXXXX").string();
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) {
    return Fail(ErrorCode::kInvalidArgument, directory, ": no file can be made there: ", std::strerror(errno));
  }
  ::unlink(name.c_str());
  const int failed = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  if (failed == 0) return descriptor;
  ::close(descriptor);
  return Fail(ErrorCode::kExhausted, directory, ": ", bytes,
              " bytes for intermediate results can't be had on the disk: ", std::strerror(failed),
              "; free some space or calibrate on fewer windows");
}

}  // namespace

Result<ScratchMemory> ScratchMemory::Create(uint64_t floats, uint64_t most_in_memory,
                                            const std::filesystem::path& directory) {
  const std::optional<uint64_t> bytes = CheckedMultiply(floats, uint64_t{sizeof(float)});
  if (!bytes) return Fail(ErrorCode::kExhausted, floats, " floats are more than 64 bits of bytes");
  ScratchMemory memory;
  if (*bytes == 0) return memory;
  memory.in_file_ = *bytes > most_in_memory;
  const int file = memory.in_file_ ? OCTET_TRY(MakeUnnamedFile(*bytes, directory)) : -1;
  void* mapped = ::mmap(nullptr, *bytes, PROT_READ | PROT_WRITE,
                        memory.in_file_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, file, 0);
  const int reason = errno;
  if (file >= 0) ::close(file);
  if (mapped == MAP_FAILED) {
    return Fail(ErrorCode::kExhausted, *bytes, " bytes for intermediate results can't be had: ", std::strerror(reason),
                "; calibrate on fewer windows");
  }
  memory.data_ = static_cast<float*>(mapped);
  memory.bytes_ = *bytes;
  return memory;
}

ScratchMemory::ScratchMemory(ScratchMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      in_file_(std::exchange(other.in_file_, false)) {}

ScratchMemory& ScratchMemory::operator=(ScratchMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(in_file_, other.in_file_);
  return *this;
}

ScratchMemory::~ScratchMemory() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace octet
