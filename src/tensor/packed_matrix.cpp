#include "tensor/packed_matrix.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/checked.h"
#include "base/memory.h"

namespace octet {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{1} << 21;
// From here on a buffer is a mapping of its own: what nobody writes is never there, and all of it goes when it is
// freed.
constexpr size_t kMapped = size_t{1} << 18;

size_t MappedBytes(size_t bytes) { return bytes < kHugePage ? bytes : RoundUp(bytes, kHugePage); }

std::byte* MapPages(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

// Zeros on a huge page's boundary, whole pages of that size; null where the system has no more.
std::byte* MapHugePages(size_t bytes) {
  const size_t size = MappedBytes(bytes), mapped = size + kHugePage;
  std::byte* const begin = MapPages(mapped);
  if (begin == nullptr) return nullptr;
  const size_t before = RoundUp(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (before != 0) munmap(begin, before);
  munmap(begin + before + size, kHugePage - before);
  // Advice only: without huge pages the memory works all the same.
  static_cast<void>(madvise(begin + before, size, MADV_HUGEPAGE));
  return begin + before;
}

}  // namespace

Result<std::shared_ptr<AlignedBuffer>> AlignedBuffer::Allocate(size_t bytes) {
  std::shared_ptr<AlignedBuffer> buffer(new AlignedBuffer());
  if (bytes == 0) return buffer;
  // All of it is written sooner or later, which a system that promises more than it has would answer with a kill.
  if (bytes > InstalledMemory() || !CheckedAdd(bytes, 2 * kHugePage)) {
    return Fail(ErrorCode::kExhausted, "can't allocate ", bytes, " bytes of memory, the machine has ",
                InstalledMemory());
  }
  std::byte* memory = bytes >= kHugePage ? MapHugePages(bytes)
                      : bytes >= kMapped
                          ? MapPages(bytes)
                          : static_cast<std::byte*>(std::aligned_alloc(kAlignment, RoundUp(bytes, kAlignment)));
  if (memory == nullptr) return Fail(ErrorCode::kExhausted, "can't allocate ", bytes, " bytes of memory");
  if (bytes < kMapped) std::memset(memory, 0, bytes);
  buffer->data_ = memory;
  buffer->size_ = bytes;
  return buffer;
}

AlignedBuffer::~AlignedBuffer() {
  if (size_ >= kMapped) {
    munmap(data_, MappedBytes(size_));
  } else {
    std::free(data_);
  }
}

}  // namespace octet
