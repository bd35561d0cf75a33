// Memory for many matrices, side by side in large blocks, so that small ones lie in huge pages too.
//
//   WeightArena arena;
//   WeightArena::Piece piece = OCTET_TRY(arena.Take(kernels::PackedBytes(format, columns, depth)));
//   PackedMatrix matrix{.panels = piece.bytes, .owner = piece.owner};
//
// A block is freed when the last of its pieces is let go; pieces aren't given back one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/error.h"
#include "tensor/packed_matrix.h"

namespace octet {

class WeightArena {
 public:
  struct Piece {
    std::span<std::byte> bytes;  // on a 64-byte boundary, zeros
    std::shared_ptr<const void> owner;
  };

  // Pages of a block that no piece reaches are never touched, so that a large block costs address space only.
  static constexpr size_t kBlockBytes = size_t{64} << 20;

  // Blocks of so many bytes, or of one piece where that is larger: with 0 each piece is freed as soon as it is let go.
  explicit WeightArena(size_t block_bytes = kBlockBytes) : block_bytes_(block_bytes) {}

  // Fails with exhausted, saying how much was asked for.
  Result<Piece> Take(size_t bytes);

 private:
  size_t block_bytes_;
  std::shared_ptr<AlignedBuffer> block_;
  size_t used_ = 0;
};

// Resident bytes of a fresh arena with blocks of kBlockBytes whose pieces of these sizes were taken in order and
// written whole.
uint64_t ArenaBytes(std::span<const uint64_t> pieces);

}  // namespace octet
