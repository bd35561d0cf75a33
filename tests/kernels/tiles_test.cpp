// Products by tiles beyond what every tier is asked: several parts of the depth, groups of rows, and all ends of both.
#include "kernels/cpu.h"
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

struct TileShape {
  size_t rows, columns, depth;
};

class TiledProduct {
 public:
  TiledProduct(WeightFormat format, const TileShape& shape)
      : format_(format),
        shape_(shape),
        x_(RandomFloats(shape.rows * shape.depth, 1)),
        weights_(RandomFloats(shape.columns * shape.depth, 2)),
        codes_(RandomCodes(shape.columns * shape.depth, 3)),
        scales_(RandomFloats(shape.columns, 4)),
        packed_(PackedBytes(format, shape.columns, shape.depth)) {
    if (format == WeightFormat::kBf16) PackWeightsBf16(weights_.data(), shape.columns, shape.depth, packed_.data());
    if (format == WeightFormat::kE4M3) PackWeightsE4M3(codes_.data(), shape.columns, shape.depth, packed_.data());
    if (format == WeightFormat::kE4M3Block) {
      const std::vector<float> block_scales = RandomFloats(shape.columns * Fp8Blocks(shape.depth), 5);
      PackWeightsE4M3Block(codes_.data(), block_scales.data(), shape.columns, shape.depth, packed_.data());
    }
    if (format == WeightFormat::kInt8) PackInt8();
    if (format == WeightFormat::kNvfp4) PackNvfp4();
  }

  void PackInt8() {
    std::vector<int8_t> codes(codes_.begin(), codes_.end());
    for (int8_t& code : codes) code = std::max<int8_t>(code, -127);
    PackWeightsInt8(codes.data(), shape_.columns, shape_.depth, packed_.data());
  }

  void PackNvfp4() {
    std::vector<uint8_t> block_scales = RandomCodes(shape_.columns * (shape_.depth / kNvfp4Block + 1), 5);
    for (uint8_t& scale : block_scales) scale &= 0x7F;
    for (uint8_t& code : codes_) code &= 15;
    PackWeightsNvfp4(codes_.data(), block_scales.data(), shape_.columns, shape_.depth, packed_.data());
  }

  // With activations in BF16, or in E4M3 and scales of the rows, or of their blocks.
  std::vector<float> Run(const KernelTable& tier, bool is_rounded) const {
    const size_t padded = PaddedDepth(format_, shape_.depth);
    Bytes activations(ActivationBytes(ActivationFormat::kBf16, shape_.rows, padded));
    std::vector<float> row_scales(shape_.rows), block_scales(shape_.rows * Fp8Blocks(shape_.depth));
    std::vector<float> out(shape_.rows * shape_.columns, -1);
    const bool in_blocks = format_ == WeightFormat::kE4M3Block;
    (is_rounded && in_blocks ? tier.pack_activations_e4m3_blocks
     : is_rounded            ? tier.pack_activations_e4m3
                             : tier.pack_activations_bf16)({.x = x_.data(),
                                                 .stride = shape_.depth,
                                                 .rows = shape_.rows,
                                                 .depth = shape_.depth,
                                                 .padded_depth = padded,
                                                 .packed = activations.data(),
                                                 .row_scales = row_scales.data(),
                                                 .block_scales = block_scales.data(),
                                                 .end_block = RowBlocks(shape_.rows)});
    tier.gemm[size_t(format_)]({.weights = packed_.data(),
                                .column_scales = scales_.data(),
                                .activations = activations.data(),
                                .row_scales = is_rounded && !in_blocks ? row_scales.data() : nullptr,
                                .block_scales = is_rounded && in_blocks ? block_scales.data() : nullptr,
                                .out = out.data(),
                                .out_stride = shape_.columns,
                                .rows = shape_.rows,
                                .depth = padded,
                                .columns = shape_.columns,
                                .end_panel = Panels(shape_.columns)});
    return out;
  }

 private:
  WeightFormat format_;
  TileShape shape_;
  std::vector<float> x_, weights_;
  std::vector<uint8_t> codes_;
  std::vector<float> scales_;
  Bytes packed_;
};

// Ends within a tile, at one, within a part of 640 and beyond; 1 to 17 rows of a last block, and more than 512; six
// panels, where four take turns with a part.
constexpr TileShape kTileShapes[] = {{1, 33, 1},   {1, 64, 1400}, {15, 40, 32},    {16, 32, 64}, {17, 32, 640},
                                     {31, 7, 642}, {33, 32, 700}, {48, 170, 1290}, {530, 35, 70}};

constexpr WeightFormat kTiledFormats[] = {WeightFormat::kBf16, WeightFormat::kE4M3, WeightFormat::kE4M3Block,
                                          WeightFormat::kNvfp4, WeightFormat::kInt8};

double Norm(const std::vector<float>& x) {
  double sum = 0;
  for (const float value : x) sum += double{value} * value;
  return std::sqrt(sum);
}

TEST(Tiles, TheTwinIsWithinTheNormBoundOfTheReference) {
  for (const WeightFormat format : kTiledFormats) {
    for (const TileShape& shape : kTileShapes) {
      for (const bool is_rounded : {false, true}) {
        const TiledProduct product(format, shape);
        const std::vector<float> got = product.Run(TileTwin(), is_rounded);
        std::vector<float> difference = product.Run(Reference(), is_rounded);
        const double norm = Norm(difference);
        for (size_t i = 0; i < got.size(); ++i) difference[i] -= got[i];
        EXPECT_LE(Norm(difference), norm * 4 * kFloatEps * std::sqrt(double(shape.depth)))
            << shape.rows << " " << shape.columns << " " << shape.depth;
      }
    }
  }
}

TEST(Tiles, TheProcessorsTilesHaveTheBitsOfTheTwin) {
  if (const std::string missing = SupportedTiers().back().missing; !missing.empty())
    GTEST_SKIP() << "this CPU has no " << missing;
  const KernelTable& tier = *AvailableTiers().back();
  for (const WeightFormat format : kTiledFormats) {
    for (const TileShape& shape : kTileShapes) {
      for (const bool is_rounded : {false, true}) {
        const TiledProduct product(format, shape);
        EXPECT_EQ(AllBits(product.Run(tier, is_rounded)), AllBits(product.Run(TileTwin(), is_rounded)))
            << shape.rows << " " << shape.columns << " " << shape.depth;
      }
    }
  }
}

TEST(Tiles, ActivationsStandInBlocksOf32RowsByTiles) {
  constexpr size_t kRows = 35, kDepth = 69, kPadded = 70;
  const std::vector<float> x = RandomFloats(kRows * kDepth, 1);
  std::vector<Bf16> packed(kRows * kPadded);
  TileTwin().pack_activations_bf16({.x = x.data(),
                                    .stride = kDepth,
                                    .rows = kRows,
                                    .depth = kDepth,
                                    .padded_depth = kPadded,
                                    .packed = packed.data(),
                                    .end_block = RowBlocks(kRows)});
  const auto at = [&](size_t row, size_t k) {
    const size_t first = row < 32 ? 0 : 32, rows = row < 32 ? 32 : 3, tile = k / 32;
    const size_t row_length = tile < 2 ? 32 : 6;
    return packed[first * kPadded + tile * 32 * rows + (row - first) * row_length + k % 32].bits;
  };
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t k = 0; k < kPadded; ++k)
      EXPECT_EQ(at(row, k), k < kDepth ? ToBf16(x[row * kDepth + k]).bits : 0) << row << " " << k;
  }
}

// Integers are exact: the reference has the same bits. A depth of 1,100 has two parts and ends within a tile.
TEST(Tiles, IntegerProductsHaveTheBitsOfTheReference) {
  for (const WeightFormat format :
       {WeightFormat::kInt8, WeightFormat::kInt4Group32, WeightFormat::kInt4Group64, WeightFormat::kInt4Group128,
        WeightFormat::kInt4Zeros32, WeightFormat::kInt4Zeros64, WeightFormat::kInt4Zeros128}) {
    for (const size_t rows : {9, 16, 17, 33, 530}) {
      for (const size_t depth : {5, 96, 1100}) {
        if (rows * depth > 100000) continue;  // the reference takes its time
        Product got(TileTwin(), format, ActivationFormat::kInt8, rows, 45, depth);
        Product want(Reference(), format, ActivationFormat::kInt8, rows, 45, depth);
        got.Run();
        want.Run();
        EXPECT_EQ(AllBits(got.out), AllBits(want.out)) << int(format) << " " << rows << " " << depth;
        if (!SupportedTiers().back().missing.empty()) continue;
        Product processor(*AvailableTiers().back(), format, ActivationFormat::kInt8, rows, 45, depth);
        processor.Run();
        EXPECT_EQ(AllBits(processor.out), AllBits(want.out)) << int(format) << " " << rows << " " << depth;
      }
    }
  }
}

}  // namespace
}  // namespace octet::kernels
