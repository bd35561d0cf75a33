// Rounding of activations to NVFP4, and their products with NVFP4 weights.
#include <algorithm>

#include "kernels/reference/elements.h"
#include "numeric/e2m1.h"
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

// Rows packed for NVFP4 weights.
struct PackedNvfp4 {
  PackedNvfp4(const KernelTable& tier, const std::vector<float>& x, size_t row_count, float static_scale = 0)
      : rows(row_count),
        depth(x.size() / rows),
        padded(PaddedDepth(WeightFormat::kNvfp4, depth)),
        size(ActivationBytes(ActivationFormat::kNvfp4, rows, padded)),
        bytes(size),
        scales(rows) {
    tier.pack_activations_nvfp4({.x = x.data(),
                                 .stride = depth,
                                 .rows = rows,
                                 .depth = depth,
                                 .padded_depth = padded,
                                 .packed = bytes.data(),
                                 .row_scales = scales.data(),
                                 .static_scale = static_scale,
                                 .end_block = RowBlocks(rows),
                                 .weights = WeightFormat::kNvfp4});
  }
  // Of the first block of rows; a start value in front of each block of 16.
  int Start(size_t row, size_t k) const {
    return reference::LoadAs<int32_t>(bytes.data(), reference::StartOffset(16, Rows(), row, k / 16, 2));
  }
  float BlockScale(size_t row, size_t k) const {
    return reference::LoadAs<float>(bytes.data(), reference::StartOffset(16, Rows(), row, k / 16, 2) + 4 * Rows());
  }
  int Code(size_t row, size_t k) const {
    const size_t place = Int8Place(WeightFormat::kNvfp4, k);
    return reference::LoadAs<int8_t>(bytes.data(), reference::Int8Offset(16, Rows(), row, place, 2));
  }
  // Without the row's scale.
  float Value(size_t row, size_t k) const { return static_cast<float>(Code(row, k)) / 2 * BlockScale(row, k); }
  size_t Rows() const { return RowBlockBegin(rows, 1); }

  size_t rows, depth, padded, size;
  Bytes bytes;
  std::vector<float> scales;
};

// On the tiers that multiply integers.
class PackNvfp4 : public EveryTier {};

std::vector<const KernelTable*> IntegerTiers() {
  std::vector<const KernelTable*> tiers = TestedTiers();
  std::erase_if(tiers, [](const KernelTable* tier) { return &DefinitionOf(*tier) == &TileTwin(); });
  return tiers;
}

TEST_P(PackNvfp4, HasTheBytesOfItsDefinition) {
  for (const size_t depth : {1, 7, 16, 17, 48, 130, 577}) {
    std::vector<float> x = RandomFloats(11 * depth, 1);
    for (size_t i = 0; i < x.size(); i += 5) x[i] *= 1e-3f;  // blocks of every size
    for (size_t i = 32; i < x.size() && i < 48; ++i) x[i] = i % 2 == 0 ? 0.0f : -1e-20f;
    const PackedNvfp4 packed(tier(), x, 11), want(Reference(), x, 11);
    EXPECT_EQ(AllBits(packed.scales), AllBits(want.scales)) << depth;
    EXPECT_EQ(std::memcmp(packed.bytes.data(), want.bytes.data(), want.size), 0) << depth;
  }
}

// A scale that fits, one that rounds most numbers to zero, and one whose range most of them leave.
TEST_P(PackNvfp4, AStaticScaleIsThatOfEveryRowWithTheBytesOfTheDefinition) {
  for (const float scale : {1e-3f, 0.5f, 1e-6f}) {
    std::vector<float> x = RandomFloats(11 * 130, 3);
    x[200] = INFINITY;
    const PackedNvfp4 packed(tier(), x, 11, scale), want(Reference(), x, 11, scale);
    for (size_t row = 0; row < 11; ++row) {
      if (row == 1)
        EXPECT_TRUE(std::isnan(packed.scales[row]));
      else
        EXPECT_EQ(packed.scales[row], scale);
    }
    EXPECT_EQ(std::memcmp(packed.bytes.data(), want.bytes.data(), want.size), 0) << scale;
  }
}

// The least scale of a block times these is no float but zero.
TEST_P(PackNvfp4, ZerosAreZerosWithAStaticScaleBelowTheRangeOfFloats) {
  for (const float scale : {0x1p-149f, 1e-44f, 1e-42f}) {
    std::vector<float> x = RandomFloats(3 * 64, 3);
    std::fill_n(x.begin() + 16, 32, 0.0f);
    std::fill_n(x.begin() + 64 + 8, 56, -0.0f);
    x[64 + 20] = 0x1p-149f;
    const PackedNvfp4 packed(tier(), x, 3, scale), want(Reference(), x, 3, scale);
    EXPECT_EQ(packed.Code(0, 20), 0) << scale;
    EXPECT_EQ(packed.Code(1, 40), 0) << scale;
    EXPECT_EQ(std::memcmp(packed.bytes.data(), want.bytes.data(), want.size), 0) << scale;
  }
}

TEST_P(PackNvfp4, WhatIsBeyondTheRangeOfAStaticScaleBecomesItsLargestNumber) {
  std::vector<float> x(16);
  x[0] = 1e4f, x[1] = -3e3f, x[2] = 448, x[3] = -100;
  const PackedNvfp4 packed(tier(), x, 1, 1.0f);
  EXPECT_EQ(packed.BlockScale(0, 0), 448);
  const std::vector<float> want = {6, -6, 1, 0};  // times 448; -100 / 448 is nearer to 0 than to 0.5
  for (size_t k = 0; k < want.size(); ++k) EXPECT_EQ(packed.Value(0, k), want[k] * 448) << k;
}

// The row's scale is 1 and the block's 448, which the numbers are divided by here.
TEST_P(PackNvfp4, NumbersBetweenCodesGoToTheNearestTiesToTheEvenCode) {
  const std::vector<float> x = {6, 0.25f, 0.26f, 0.75f,  1.25f, 1.75f, 2.5f, 3.5f,
                                5, 5.01f, -0.2f, -0.75f, -5,    -6,    0,    3};
  const std::vector<float> want = {6, 0, 0.5f, 1, 1, 2, 2, 4, 4, 6, 0, -1, -4, -6, 0, 3};
  std::vector<float> row = x;
  for (float& value : row) value *= 448;
  const PackedNvfp4 packed(tier(), row, 1);
  EXPECT_EQ(packed.scales[0], 1);
  EXPECT_EQ(packed.BlockScale(0, 0), 448);
  int sum = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_EQ(packed.Value(0, k), want[k] * 448) << x[k];
    sum += packed.Code(0, k);
  }
  EXPECT_EQ(packed.Start(0, 0), -12 * sum);
}

TEST_P(PackNvfp4, EveryNumberIsWithinAStepOfItsBlock) {
  const std::vector<float> x = RandomFloats(256, 2);
  const PackedNvfp4 packed(tier(), x, 1);
  for (size_t begin = 0; begin < x.size(); begin += 16) {
    float amax = 0;
    for (size_t i = begin; i < begin + 16; ++i) amax = std::fmax(amax, std::fabs(x[i]));
    // Half a step of 2 in 6, and what the block's scale, rounded by 1 / 16 at most, adds or clips.
    for (size_t i = begin; i < begin + 16; ++i)
      EXPECT_LE(std::fabs(packed.Value(0, i) * packed.scales[0] - x[i]), amax / 6 * (1 + 1.0f / 16)) << i;
  }
}

TEST_P(PackNvfp4, RowsOfZerosAndOfNumbersTooSmallBecomeZeros) {
  for (const float x : {0.0f, 1e-44f, 1e-36f}) {
    const PackedNvfp4 packed(tier(), std::vector<float>(20, x), 1);
    EXPECT_EQ(packed.scales[0], 1);
    for (size_t k = 0; k < packed.padded; ++k) EXPECT_EQ(packed.Code(0, k), 0) << x;
  }
}

TEST_P(PackNvfp4, InfinityAndNanMakeTheScaleNan) {
  for (const float x : {INFINITY, -INFINITY, NAN}) {
    std::vector<float> row(40, 1);
    row[33] = x;
    const PackedNvfp4 packed(tier(), row, 1), zeros(tier(), std::vector<float>(40), 1);
    EXPECT_TRUE(std::isnan(packed.scales[0])) << x;
    EXPECT_EQ(std::memcmp(packed.bytes.data(), zeros.bytes.data(), zeros.size), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(, PackNvfp4, testing::ValuesIn(IntegerTiers()), TierName);

Product Nvfp4Product(const KernelTable& tier, size_t rows, size_t columns, size_t depth) {
  return Product(tier, WeightFormat::kNvfp4, ActivationFormat::kNvfp4, rows, columns, depth);
}

class GemmNvfp4 : public EveryTier {};

// Against sums in double of the numbers that the definition rounds the rows to.
TEST_P(GemmNvfp4, ErrorStaysBelowTheNormBoundForOddShapes) {
  const size_t shapes[][3] = {{1, 1, 1},   {1, 100, 70}, {2, 33, 5},   {3, 31, 40},   {4, 64, 64},   {5, 65, 3},
                              {8, 100, 9}, {9, 96, 130}, {17, 49, 77}, {37, 70, 133}, {16, 40, 1000}};
  for (const auto& [rows, columns, depth] : shapes) {
    Product product = Nvfp4Product(tier(), rows, columns, depth);
    product.Run();
    for (size_t row = 0; row < rows; ++row) {
      const PackedNvfp4 rounded(
          Reference(), {product.x.begin() + long(row * depth), product.x.begin() + long((row + 1) * depth)}, 1);
      for (size_t column = 0; column < columns; ++column) {
        double sum = 0, products = 0;
        for (size_t k = 0; k < depth; ++k) {
          const double term = double{rounded.Value(0, k)} * product.values[column * depth + k] * rounded.scales[0];
          sum += term;
          products += std::fabs(term);
        }
        const double scale = product.scales[column], bias = product.bias[column];
        const double bound = kFloatEps * (products * std::fabs(scale) * (double(depth) + 5) + std::fabs(bias)) * 1.01;
        ASSERT_LE(std::fabs(product.out[row * columns + column] - (sum * scale + bias)), bound)
            << rows << "x" << columns << "x" << depth << " row " << row << " column " << column;
      }
    }
  }
}

TEST_P(GemmNvfp4, HasTheBitsOfItsDefinitionForAnyNumberOfRows) {
  for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 16, 37}) {
    Product product = Nvfp4Product(tier(), rows, 107, 300), want = Nvfp4Product(DefinitionOf(tier()), rows, 107, 300);
    product.Run();
    want.Run();
    EXPECT_EQ(AllBits(product.out), AllBits(want.out)) << rows;
  }
}

TEST_P(GemmNvfp4, RowHasTheSameBitsAloneAndInAnyBatch) {
  Product batch = Nvfp4Product(tier(), 37, 75, 150), parts = Nvfp4Product(tier(), 37, 75, 150);
  batch.Run();
  size_t first = 0;
  for (size_t count = 1; first < 37; ++count) {
    const size_t rows = std::min(count, 37 - first);
    parts.Run(first, rows, 0, Panels(75));
    first += rows;
  }
  EXPECT_EQ(AllBits(batch.out), AllBits(parts.out));
  for (size_t row = 0; row < 37; ++row) {
    parts.Run(row, 1, 0, 1);
    parts.Run(row, 1, 1, Panels(75));
  }
  EXPECT_EQ(AllBits(batch.out), AllBits(parts.out));
}

TEST_P(GemmNvfp4, LargestCodesSumExactly) {
  for (const float sign : {-1.0f, 1.0f}) {
    Product product = Nvfp4Product(tier(), 9, 40, 512);
    for (size_t i = 0; i < product.codes.size(); ++i) product.codes[i] = i / 512 % 2 == 0 ? 0x7 : 0xF;  // 6 or -6
    std::fill(product.block_scales.begin(), product.block_scales.end(), uint8_t{0x7E});                 // 448
    std::fill(product.scales.begin(), product.scales.end(), 1.0f);
    std::fill(product.bias.begin(), product.bias.end(), 0.0f);
    std::fill(product.x.begin(), product.x.end(), 6 * 448 * sign);
    product.Pack();
    product.Run();
    for (size_t i = 0; i < product.out.size(); ++i)
      ASSERT_EQ(product.out[i], 6 * 448 * sign * 512 * 448 * (i % 40 % 2 == 0 ? 6.0f : -6.0f)) << i;
  }
}

TEST_P(GemmNvfp4, RowsOfZerosWithAStaticScaleBelowTheRangeOfFloatsHaveProductsOfZero) {
  for (const size_t rows : {1, 3, 9}) {
    Product product = Nvfp4Product(tier(), rows, 33, 48);
    std::fill(product.x.begin(), product.x.end(), 0.0f);
    std::fill(product.scales.begin(), product.scales.end(), 0x1p100f);  // what the row's scale would hide
    std::fill(product.bias.begin(), product.bias.end(), 0.0f);
    product.static_scale = 1e-44f;
    product.Run();
    for (size_t i = 0; i < product.out.size(); ++i) EXPECT_EQ(product.out[i], 0) << rows << " " << i;
  }
}

TEST_P(GemmNvfp4, RowsWithInfinityOrNanHaveProductsThatSaySo) {
  Product product = Nvfp4Product(tier(), 11, 33, 40);
  product.x[2 * 40 + 7] = INFINITY;
  product.x[9 * 40 + 39] = NAN;
  product.Run();
  for (size_t i = 0; i < product.out.size(); ++i)
    EXPECT_EQ(std::isnan(product.out[i]), i / 33 == 2 || i / 33 == 9) << i;
}

OCTET_FOR_EVERY_TIER_AND_TWIN(GemmNvfp4);

}  // namespace
}  // namespace octet::kernels
