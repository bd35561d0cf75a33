#include "tensor/weight_arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace octet {
namespace {

TEST(WeightArena, PiecesAreZerosOnBoundariesAndDoNotOverlap) {
  WeightArena arena;
  std::vector<WeightArena::Piece> pieces;
  for (const size_t bytes :
       {size_t{1}, size_t{100}, size_t{64}, size_t{70} << 20, size_t{5}, size_t{63} << 20, size_t{2} << 20}) {
    pieces.push_back(arena.Take(bytes).value());
    const std::span<std::byte> piece = pieces.back().bytes;
    ASSERT_EQ(piece.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece.data()) % 64, 0u);
    EXPECT_EQ(piece.front(), std::byte{0});
    EXPECT_EQ(piece.back(), std::byte{0});
    std::memset(piece.data(), static_cast<int>(pieces.size()), bytes);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].bytes.front(), static_cast<std::byte>(i + 1));
    EXPECT_EQ(pieces[i].bytes.back(), static_cast<std::byte>(i + 1));
  }
}

TEST(WeightArena, APieceOutlivesTheArena) {
  WeightArena::Piece piece;
  {
    WeightArena arena;
    piece = arena.Take(10).value();
  }
  piece.bytes[9] = std::byte{7};
  EXPECT_EQ(piece.bytes[9], std::byte{7});
}

TEST(WeightArena, MoreThanThereIsIsAnError) {
  WeightArena arena;
  for (const size_t bytes : {size_t{1} << 62, SIZE_MAX}) {
    const Result<WeightArena::Piece> piece = arena.Take(bytes);
    ASSERT_FALSE(piece.has_value());
    EXPECT_EQ(piece.error().code, ErrorCode::kExhausted);
  }
}

}  // namespace
}  // namespace octet
