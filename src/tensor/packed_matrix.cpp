#include "tensor/packed_matrix.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/checked.h"

namespace octet {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{1} << 21;

}  // namespace

Result<std::shared_ptr<AlignedBuffer>> AlignedBuffer::Allocate(size_t bytes) {
  std::shared_ptr<AlignedBuffer> buffer(new AlignedBuffer());
  if (bytes == 0) return buffer;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  if (!CheckedAdd(bytes, alignment)) return Fail(ErrorCode::kExhausted, "can't allocate ", bytes, " bytes of memory");
  const size_t rounded = RoundUp(bytes, kAlignment);
  void* memory = std::aligned_alloc(alignment, RoundUp(rounded, alignment));
  if (memory == nullptr) return Fail(ErrorCode::kExhausted, "can't allocate ", bytes, " bytes of memory");
  // Advice only: without huge pages the memory works all the same.
  if (alignment == kHugePage) static_cast<void>(madvise(memory, RoundUp(rounded, alignment), MADV_HUGEPAGE));
  std::memset(memory, 0, rounded);
  buffer->data_ = static_cast<std::byte*>(memory);
  buffer->size_ = bytes;
  return buffer;
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace octet
