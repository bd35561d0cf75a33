// Products with int8 activations, of integer weights and of NVFP4 ones. Their sums are exact, so every tier has the
// reference's bits.
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

constexpr WeightFormat kTaking[] = {WeightFormat::kNvfp4,       WeightFormat::kInt8,         WeightFormat::kInt4Group32,
                                    WeightFormat::kInt4Group64, WeightFormat::kInt4Group128, WeightFormat::kInt4Zeros32,
                                    WeightFormat::kInt4Zeros64, WeightFormat::kInt4Zeros128};

Product Int8Product(const KernelTable& tier, WeightFormat format, size_t rows, size_t columns, size_t depth) {
  return Product(tier, format, ActivationFormat::kInt8, rows, columns, depth);
}

// The bytes of packed rows, and their scales.
struct PackedInt8 {
  PackedInt8(const KernelTable& tier, WeightFormat weights, const std::vector<float>& x, size_t rows)
      : depth(x.size() / rows),
        padded(PaddedDepth(weights, depth)),
        size(Int8ActivationBytes(weights, rows, padded)),
        bytes(size),
        scales(rows) {
    tier.pack_activations_int8({.x = x.data(),
                                .stride = depth,
                                .rows = rows,
                                .depth = depth,
                                .padded_depth = padded,
                                .packed = bytes.data(),
                                .row_scales = scales.data(),
                                .end_block = RowBlocks(rows),
                                .weights = weights});
  }
  int32_t Word(size_t index) const {
    int32_t out = 0;
    std::memcpy(&out, bytes.data() + 4 * index, 4);
    return out;
  }
  int Code(size_t at) const { return static_cast<int8_t>(bytes.data()[at]); }

  size_t depth, padded, size;
  Bytes bytes;
  std::vector<float> scales;
};

class GemmInt8 : public EveryTier {};

TEST_P(GemmInt8, PackedRowsBeginWithTheStartValueOfEachGroup) {
  // Row 0 is 1 .. 34 and has the scale 34 / 127, row 1 is 127 everywhere.
  std::vector<float> x(2 * 34, 127);
  for (size_t k = 0; k < 34; ++k) x[k] = static_cast<float>(k + 1);
  const PackedInt8 packed(tier(), WeightFormat::kInt4Group32, x, 2);
  EXPECT_EQ(packed.scales, (std::vector<float>{34.0f / 127, 1}));
  EXPECT_EQ(packed.Word(1), -8 * 32 * 127);
  EXPECT_EQ(packed.Word(18 + 1), -8 * 2 * 127);
  int sum = 0;
  for (int k = 0; k < 32; ++k) {
    const int code = static_cast<int>(std::nearbyint((k + 1) * 127 / 34.0));
    EXPECT_EQ(packed.Code(8 + size_t(k / 4) * 8 + size_t(k % 4)), code) << k;
    sum += code;
  }
  EXPECT_EQ(packed.Word(0), -8 * sum);
  // The second group: codes of k 32 and 33, then padding.
  EXPECT_EQ(packed.Code(72 + 8 + 1), 127);
  EXPECT_EQ(packed.Code(72 + 8 + 2), 0);
}

// Block 1 of row 0: codes 16 .. 31 behind five words of both rows, and the start values of that block.
TEST_P(GemmInt8, CodesForNvfp4WeightsStandInTheOrderOfTheirHalves) {
  std::vector<float> x(2 * 32, 127);
  for (size_t k = 0; k < 31; ++k) x[k] = static_cast<float>(k);
  const PackedInt8 packed(tier(), WeightFormat::kNvfp4, x, 2);
  EXPECT_EQ(packed.Word(10), -12 * (16 * 23 + 8 - 31 + 127));
  EXPECT_EQ(packed.Word(11), -12 * 16 * 127);
  const int order[2][8] = {{16, 20, 17, 21, 18, 22, 19, 23}, {24, 28, 25, 29, 26, 30, 27, 127}};
  for (size_t step = 0; step < 2; ++step) {
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(packed.Code(48 + 16 * step + i / 4 * 8 + i % 4), order[step][i]) << step << " " << i;
  }
}

TEST_P(GemmInt8, PackedRowsHaveTheBytesOfTheirDefinition) {
  for (const WeightFormat format : kTaking) {
    for (const size_t depth : {1, 4, 31, 64, 200, 576}) {
      const std::vector<float> x = RandomFloats(11 * depth, 9, 30);
      const PackedInt8 packed(tier(), format, x, 11), want(DefinitionOf(tier()), format, x, 11);
      EXPECT_EQ(AllBits(packed.scales), AllBits(want.scales));
      EXPECT_EQ(std::memcmp(packed.bytes.data(), want.bytes.data(), want.size), 0)
          << kFormatNames[size_t(format)] << " " << depth;
    }
  }
}

TEST_P(GemmInt8, RowsBeyondIntegersHaveScalesThatSaySo) {
  std::vector<float> x(5 * 40, 1);
  std::fill_n(x.begin(), 40, 0.0f);
  std::fill_n(x.begin() + 40, 40, 0x1p-130f);
  x[2 * 40 + 7] = INFINITY;
  x[3 * 40 + 39] = NAN;
  for (const WeightFormat format : kTaking) {
    const PackedInt8 packed(tier(), format, x, 5);
    EXPECT_EQ(packed.scales[0], 1);
    EXPECT_EQ(packed.scales[1], 1);
    EXPECT_TRUE(std::isnan(packed.scales[2]) && std::isnan(packed.scales[3]));
    EXPECT_EQ(packed.scales[4], 1.0f / 127);
    Product product = Int8Product(tier(), format, 5, 33, 40);
    product.x = x;
    product.Run();
    for (size_t row = 0; row < 5; ++row) {
      for (size_t column = 0; column < 33; ++column) {
        const float got = product.out[row * 33 + column];
        EXPECT_EQ(std::isnan(got), row == 2 || row == 3) << row;
        if (row < 2) {
          EXPECT_EQ(got, product.bias[column]) << row;
        }
      }
    }
  }
}

TEST_P(GemmInt8, ErrorStaysBelowTheNormBoundForOddShapes) {
  const size_t shapes[][3] = {{1, 1, 1},   {1, 32, 4},   {1, 100, 70},  {2, 33, 5},    {2, 65, 129}, {3, 31, 7},
                              {4, 64, 64}, {5, 65, 3},   {6, 16, 129},  {7, 17, 66},   {8, 100, 9},  {9, 96, 130},
                              {13, 48, 2}, {17, 49, 77}, {37, 70, 133}, {16, 40, 1000}};
  for (const auto& [rows, columns, depth] : shapes) {
    for (const WeightFormat format : kTaking) {
      SCOPED_TRACE(testing::Message() << kFormatNames[size_t(format)] << " " << rows << "x" << columns << "x" << depth);
      Product product = Int8Product(tier(), format, rows, columns, depth);
      product.Run();
      for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column) {
          const double error = std::fabs(product.out[row * columns + column] - product.Exact(row, column));
          ASSERT_LE(error, product.Bound(row, column)) << "row " << row << " column " << column;
        }
      }
    }
  }
}

TEST_P(GemmInt8, HasTheBitsOfTheReferenceForAnyNumberOfRows) {
  for (const WeightFormat format : kTaking) {
    for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 16, 37}) {
      Product product = Int8Product(tier(), format, rows, 107, 300),
              reference = Int8Product(Reference(), format, rows, 107, 300);
      product.Run();
      reference.Run();
      EXPECT_EQ(AllBits(product.out), AllBits(reference.out)) << kFormatNames[size_t(format)] << " " << rows;
    }
  }
}

// More row blocks than share one decoding of the weights.
TEST_P(GemmInt8, ManyRowBlocksHaveTheBitsOfTheReference) {
  for (const WeightFormat format : kTaking) {
    Product product = Int8Product(tier(), format, 140, 34, 70),
            reference = Int8Product(Reference(), format, 140, 34, 70);
    product.Run();
    reference.Run();
    EXPECT_EQ(AllBits(product.out), AllBits(reference.out)) << kFormatNames[size_t(format)];
  }
}

TEST_P(GemmInt8, RowHasTheSameBitsAloneAndInAnyBatch) {
  for (const WeightFormat format : kTaking) {
    Product batch = Int8Product(tier(), format, 37, 75, 150), parts = Int8Product(tier(), format, 37, 75, 150);
    batch.Run();
    size_t first = 0;
    for (size_t count = 1; first < 37; ++count) {
      const size_t rows = std::min(count, 37 - first);
      parts.Run(first, rows, 0, Panels(75));
      first += rows;
    }
    EXPECT_EQ(AllBits(batch.out), AllBits(parts.out)) << kFormatNames[size_t(format)];
    for (size_t row = 0; row < 37; ++row) {
      parts.Run(row, 1, 0, 1);
      parts.Run(row, 1, 1, Panels(75));
    }
    EXPECT_EQ(AllBits(batch.out), AllBits(parts.out)) << kFormatNames[size_t(format)];
  }
}

// The largest codes of both signs against each other: no sum in between may saturate.
TEST_P(GemmInt8, LargestCodesSumExactly) {
  for (const WeightFormat format : kTaking) {
    if (format == WeightFormat::kNvfp4) continue;  // below
    for (const float sign : {-1.0f, 1.0f}) {
      const int least = format == WeightFormat::kInt8 ? -128 : -8, largest = -1 - least;
      Product product = Int8Product(tier(), format, 9, 40, 512);
      for (size_t i = 0; i < product.integers.size(); ++i)
        product.integers[i] = static_cast<int8_t>(i / 512 % 2 == 0 ? least : largest);
      std::fill(product.group_scales.begin(), product.group_scales.end(), ToFp16(1));
      std::fill(product.group_zeros.begin(), product.group_zeros.end(), uint8_t{8});
      std::fill(product.scales.begin(), product.scales.end(), 1.0f);
      std::fill(product.bias.begin(), product.bias.end(), 0.0f);
      std::fill(product.x.begin(), product.x.end(), 127 * sign);
      product.Pack();
      product.Run();
      for (size_t i = 0; i < product.out.size(); ++i)
        ASSERT_EQ(product.out[i], 127 * sign * 512 * static_cast<float>(i % 40 % 2 == 0 ? least : largest)) << i;
    }
  }
}

// Codes are stored as 0 .. 255, whose sums of products leave 31 bits where those of the codes don't.
TEST_P(GemmInt8, LargestCodesSumExactlyOverTheGreatestDepth) {
  constexpr size_t kRows = 9, kColumns = 2, kDepth = kMaxIntegerDepth;
  for (const float sign : {-1.0f, 1.0f}) {
    std::vector<int8_t> codes(kColumns * kDepth, -128);
    std::fill_n(codes.begin(), kDepth, int8_t{127});
    Bytes weights(PackedBytes(WeightFormat::kInt8, kColumns, kDepth));
    PackWeightsInt8(codes.data(), kColumns, kDepth, weights.data());
    const PackedInt8 packed(tier(), WeightFormat::kInt8, std::vector<float>(kRows * kDepth, 127 * sign), kRows);
    std::vector<float> out(kRows * kColumns);
    tier().gemm_int8[Int8Index(WeightFormat::kInt8)]({.weights = weights.data(),
                                                      .activations = packed.bytes.data(),
                                                      .out = out.data(),
                                                      .out_stride = kColumns,
                                                      .rows = kRows,
                                                      .depth = kDepth,
                                                      .columns = kColumns,
                                                      .end_panel = 1});
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(out[i], sign * 127 * (i % 2 == 0 ? 127.0f : -128.0f) * float(kDepth)) << i;
  }
}

TEST_P(GemmInt8, LargestNvfp4CodesSumExactly) {
  for (const float sign : {-1.0f, 1.0f}) {
    Product product = Int8Product(tier(), WeightFormat::kNvfp4, 9, 40, 512);
    for (size_t i = 0; i < product.codes.size(); ++i) product.codes[i] = i / 512 % 2 == 0 ? 0x7 : 0xF;  // 6 or -6
    std::fill(product.block_scales.begin(), product.block_scales.end(), uint8_t{0x7E});                 // 448
    std::fill(product.scales.begin(), product.scales.end(), 1.0f);
    std::fill(product.bias.begin(), product.bias.end(), 0.0f);
    std::fill(product.x.begin(), product.x.end(), 127 * sign);
    product.Pack();
    product.Run();
    for (size_t i = 0; i < product.out.size(); ++i)
      ASSERT_EQ(product.out[i], 127 * sign * 512 * 448 * (i % 40 % 2 == 0 ? 6.0f : -6.0f)) << i;
  }
}

// Every code with every scale, and a sum of products of whole numbers, which needs no rounding.
TEST_P(GemmInt8, EveryNvfp4CodeAndScaleHasItsValue) {
  constexpr size_t kColumns = 127, kDepth = 16;
  Product product = Int8Product(tier(), WeightFormat::kNvfp4, 1, kColumns, kDepth);
  std::fill(product.scales.begin(), product.scales.end(), 1.0f);
  std::fill(product.bias.begin(), product.bias.end(), 0.0f);
  for (size_t column = 0; column < kColumns; ++column) {
    product.block_scales[column] = static_cast<uint8_t>(column);
    for (size_t k = 0; k < kDepth; ++k) product.codes[column * kDepth + k] = static_cast<uint8_t>(k);
  }
  product.Pack();
  for (size_t k = 0; k < kDepth; ++k) {
    std::fill(product.x.begin(), product.x.end(), 0.0f);
    product.x[k] = 127;
    product.Run();
    for (size_t column = 0; column < kColumns; ++column) {
      const float scale = ToFloat(E4M3{static_cast<uint8_t>(column)});
      EXPECT_EQ(product.out[column], 127 * ToFloat(E2M1{static_cast<uint8_t>(k)}) * scale) << k << " " << column;
    }
  }
}

OCTET_FOR_EVERY_TIER_AND_TWIN(GemmInt8);

}  // namespace
}  // namespace octet::kernels
