#include "tensor/weight_arena.h"

#include <algorithm>

#include "base/checked.h"

namespace octet {
namespace {

// Pages of a block that no piece reaches are never touched, so that a large block costs address space only.
constexpr size_t kBlockBytes = size_t{64} << 20;
constexpr size_t kPieceAlignment = 64;

}  // namespace

Result<WeightArena::Piece> WeightArena::Take(size_t bytes) {
  const size_t begin = RoundUp(used_, kPieceAlignment);
  if (block_ != nullptr && begin <= block_->size() && bytes <= block_->size() - begin) {
    used_ = begin + bytes;
    return Piece{{block_->data() + begin, bytes}, block_};
  }
  block_ = OCTET_TRY(AlignedBuffer::Allocate(std::max(bytes, kBlockBytes)));
  used_ = bytes;
  return Piece{{block_->data(), bytes}, block_};
}

}  // namespace octet
