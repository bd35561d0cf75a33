#include "tensor/weight_arena.h"

#include <algorithm>

#include "base/checked.h"
#include "base/memory.h"

namespace octet {
namespace {

constexpr size_t kPieceAlignment = 64;

}  // namespace

Result<WeightArena::Piece> WeightArena::Take(size_t bytes) {
  const size_t begin = RoundUp(used_, kPieceAlignment);
  if (block_ != nullptr && begin <= block_->size() && bytes <= block_->size() - begin) {
    used_ = begin + bytes;
    return Piece{{block_->data() + begin, bytes}, block_};
  }
  block_ = OCTET_TRY(AlignedBuffer::Allocate(std::max(bytes, block_bytes_)));
  used_ = bytes;
  return Piece{{block_->data(), bytes}, block_};
}

uint64_t ArenaBytes(std::span<const uint64_t> pieces) {
  const uint64_t page = HugePageBytes();
  uint64_t total = 0, block = 0, used = 0;
  for (const uint64_t bytes : pieces) {
    const uint64_t begin = RoundUp(used, kPieceAlignment);
    if (begin <= block && bytes <= block - begin) {
      used = begin + bytes;
      continue;
    }
    total += RoundUp(used, page);
    block = std::max<uint64_t>(bytes, WeightArena::kBlockBytes);
    used = bytes;
  }
  return total + RoundUp(used, page);
}

}  // namespace octet
