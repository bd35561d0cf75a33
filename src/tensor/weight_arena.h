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

  // Fails with exhausted, saying how much was asked for.
  Result<Piece> Take(size_t bytes);

 private:
  std::shared_ptr<AlignedBuffer> block_;
  size_t used_ = 0;
};

// Resident bytes of a fresh arena whose pieces of these sizes were taken in order and written whole.
uint64_t ArenaBytes(std::span<const uint64_t> pieces);

}  // namespace octet
