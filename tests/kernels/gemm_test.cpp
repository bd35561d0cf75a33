#include <algorithm>

#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

class Gemm : public EveryTier {};

TEST_P(Gemm, ErrorStaysBelowTheNormBoundForOddShapes) {
  const size_t shapes[][3] = {{1, 1, 1},   {1, 32, 4},   {2, 33, 5},   {3, 31, 7},   {4, 64, 64},
                              {5, 65, 3},  {6, 16, 129}, {7, 17, 66},  {8, 100, 9},  {9, 96, 130},
                              {10, 5, 31}, {13, 48, 2},  {17, 49, 77}, {37, 70, 133}};
  for (const auto& [rows, columns, depth] : shapes) {
    for (WeightFormat format : kAllFormats) {
      SCOPED_TRACE(testing::Message() << kFormatNames[size_t(format)] << " " << rows << "x" << columns << "x" << depth);
      Product product(tier(), format, rows, columns, depth);
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

TEST_P(Gemm, HasTheBitsOfItsDefinition) {
  for (WeightFormat format : kAllFormats) {
    Product product(tier(), format, 11, 75, 203), definition(DefinitionOf(tier()), format, 11, 75, 203);
    product.Run();
    definition.Run();
    EXPECT_EQ(AllBits(product.out), AllBits(definition.out)) << kFormatNames[size_t(format)];
  }
}

// More row blocks than share one decoding of the weights.
TEST_P(Gemm, ManyRowBlocksHaveTheBitsOfTheDefinition) {
  for (WeightFormat format : kAllFormats) {
    Product product(tier(), format, 140, 34, 70), definition(DefinitionOf(tier()), format, 140, 34, 70);
    product.Run();
    definition.Run();
    EXPECT_EQ(AllBits(product.out), AllBits(definition.out)) << kFormatNames[size_t(format)];
  }
}

// Depths that few rows go through in parts, whose activations fill the first-level cache: a whole one and what is left.
TEST_P(Gemm, FewRowsOfAGreatDepthHaveTheBitsOfTheDefinition) {
  const size_t shapes[][2] = {{8, 1100}, {3, 2800}, {1, 8300}, {2, 4200}};
  for (const auto& [rows, depth] : shapes) {
    for (WeightFormat format : kAllFormats) {
      for (const bool rounds_blocks : {false, true}) {
        if (format == WeightFormat::kF32 || (rounds_blocks && format != WeightFormat::kE4M3Block)) continue;
        // Two panels, which a row or two take together.
        Product product(tier(), format, rows, 33, depth);
        product.rounds_blocks = rounds_blocks;
        product.Run();
        const std::vector<float> got = product.out;
        product.tier = &DefinitionOf(tier());
        product.Run();
        EXPECT_EQ(AllBits(got), AllBits(product.out)) << kFormatNames[size_t(format)] << " " << rows << "x" << depth;
      }
    }
  }
}

// A negative scale makes -0 of a sum of zeros, and + 0 would lose it.
TEST_P(Gemm, ZerosKeepTheirSignWithoutABias) {
  for (const WeightFormat format : kAllFormats) {
    for (const ActivationFormat activations :
         {ActivationFormat::kF32, ActivationFormat::kBf16, ActivationFormat::kInt8, ActivationFormat::kNvfp4}) {
      if (tier().GemmOf(format, activations) == nullptr) continue;
      for (const size_t rows : {1, 5, 9}) {
        Product product(tier(), format, activations, rows, 40, 33);
        std::fill(product.x.begin(), product.x.end(), 0.0f);
        std::fill(product.scales.begin(), product.scales.end(), -1.0f);
        product.bias.clear();
        product.Run();
        EXPECT_EQ(AllBits(product.out), AllBits(std::vector<float>(rows * 40, -0.0f)))
            << kFormatNames[size_t(format)] << " " << int(activations) << " " << rows;
      }
    }
  }
}

TEST_P(Gemm, RowHasTheSameBitsAloneAndInAnyBatch) {
  for (WeightFormat format : kAllFormats) {
    Product batch(tier(), format, 37, 40, 150), parts(tier(), format, 37, 40, 150);
    batch.Run();
    size_t first = 0;
    for (size_t count = 1; first < 37; ++count) {
      const size_t rows = std::min(count, 37 - first);
      parts.Run(first, rows, 0, Panels(40));
      first += rows;
    }
    EXPECT_EQ(AllBits(batch.out), AllBits(parts.out)) << kFormatNames[size_t(format)];
    for (size_t row = 0; row < 37; ++row) parts.Run(row, 1, 0, Panels(40));
    EXPECT_EQ(AllBits(batch.out), AllBits(parts.out)) << kFormatNames[size_t(format)];
  }
}

TEST_P(Gemm, PanelsSplitOverCallsGiveTheSameBitsAndTouchOnlyTheirColumns) {
  for (WeightFormat format : kAllFormats) {
    Product whole(tier(), format, 9, 100, 64), parts(tier(), format, 9, 100, 64);
    whole.Run();
    parts.Run(0, 9, 2, 4);
    EXPECT_EQ(parts.out[63], -1);
    EXPECT_NE(parts.out[64], -1);
    parts.Run(0, 9, 0, 2);
    EXPECT_EQ(AllBits(whole.out), AllBits(parts.out)) << kFormatNames[size_t(format)];
  }
}

TEST_P(Gemm, ScalesMultiplyBeforeTheBiasIsAdded) {
  const float x[2] = {3, 5}, weights[2] = {2, 2}, column_scales[2] = {0.5f, 4}, bias[2] = {1, -1}, row_scales[1] = {10};
  Bytes packed(PackedBytes(WeightFormat::kF32, 2, 1)), activations(4);
  PackWeightsF32(weights, 2, 1, packed.data());
  tier().pack_activations_f32(
      {.x = x, .stride = 1, .rows = 1, .depth = 1, .padded_depth = 1, .packed = activations.data(), .end_block = 1});
  float out[2] = {};
  GemmArgs args{.weights = packed.data(),
                .activations = activations.data(),
                .out = out,
                .out_stride = 2,
                .rows = 1,
                .depth = 1,
                .columns = 2,
                .end_panel = 1};
  tier().gemm[0](args);
  EXPECT_EQ(out[0], 6);
  args.column_scales = column_scales;
  args.bias = bias;
  args.row_scales = row_scales;
  tier().gemm[0](args);
  EXPECT_EQ(out[0], 31);
  EXPECT_EQ(out[1], 239);
}

TEST_P(Gemm, NoRowsAreNoProductAndNothingIsWritten) {
  for (const WeightFormat format : kAllFormats) {
    for (const ActivationFormat activations :
         {ActivationFormat::kF32, ActivationFormat::kBf16, ActivationFormat::kInt8, ActivationFormat::kNvfp4}) {
      if (tier().GemmOf(format, activations) == nullptr) continue;
      for (const bool rounds_blocks : {false, true}) {
        Product product(tier(), format, activations, 1, 40, 33);
        product.rounds_blocks = rounds_blocks && activations == ActivationFormat::kBf16;
        product.Run(0, 0, 0, Panels(40));
        EXPECT_EQ(product.out, std::vector<float>(40, -1)) << kFormatNames[size_t(format)];
      }
    }
  }
  float scale = -1;
  tier().pack_activations_e4m3({.stride = 33, .depth = 33, .padded_depth = 36, .row_scales = &scale});
  EXPECT_EQ(scale, -1);
}

TEST_P(Gemm, EveryE4M3CodeMultipliesExactly) {
  constexpr size_t kCodes = 256;
  std::vector<uint8_t> codes(kCodes);
  for (size_t i = 0; i < kCodes; ++i) codes[i] = uint8_t(i);
  Bytes packed(PackedBytes(WeightFormat::kE4M3, kCodes, 1)), activations(8);
  PackWeightsE4M3(codes.data(), kCodes, 1, packed.data());
  const float one = 1;
  tier().pack_activations_bf16(
      {.x = &one, .stride = 1, .rows = 1, .depth = 1, .padded_depth = 4, .packed = activations.data(), .end_block = 1});
  std::vector<float> out(kCodes);
  tier().gemm[size_t(WeightFormat::kE4M3)]({.weights = packed.data(),
                                            .activations = activations.data(),
                                            .out = out.data(),
                                            .out_stride = kCodes,
                                            .rows = 1,
                                            .depth = 4,
                                            .columns = kCodes,
                                            .end_panel = kCodes / kPanelColumns});
  for (size_t i = 0; i < kCodes; ++i) {
    const float want = ToFloat(E4M3{codes[i]});
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(out[i])) << i;
    } else {
      EXPECT_EQ(out[i], want) << i;
    }
  }
}

TEST_P(Gemm, EveryNvfp4CodeWithEveryScaleMultipliesExactly) {
  constexpr size_t kColumns = 16 * 127, kDepth = 16, kPadded = PaddedDepth(WeightFormat::kNvfp4, kDepth);
  std::vector<uint8_t> codes(kColumns * kDepth), scales(kColumns);
  for (size_t i = 0; i < kColumns; ++i) {
    codes[i * kDepth + (i / 16 + i) % kDepth] = uint8_t(i % 16);  // the others are zeros
    scales[i] = uint8_t(i / 16);
  }
  Bytes packed(PackedBytes(WeightFormat::kNvfp4, kColumns, kDepth)), activations(2 * kPadded);
  PackWeightsNvfp4(codes.data(), scales.data(), kColumns, kDepth, packed.data());
  const std::vector<float> ones(kDepth, 1);
  tier().pack_activations_bf16({.x = ones.data(),
                                .stride = kDepth,
                                .rows = 1,
                                .depth = kDepth,
                                .padded_depth = kPadded,
                                .packed = activations.data(),
                                .end_block = 1,
                                .weights = WeightFormat::kNvfp4});
  std::vector<float> out(kColumns);
  tier().gemm[size_t(WeightFormat::kNvfp4)]({.weights = packed.data(),
                                             .activations = activations.data(),
                                             .out = out.data(),
                                             .out_stride = kColumns,
                                             .rows = 1,
                                             .depth = kPadded,
                                             .columns = kColumns,
                                             .end_panel = Panels(kColumns)});
  for (size_t i = 0; i < kColumns; ++i)
    EXPECT_EQ(out[i], ToFloat(E2M1{uint8_t(i % 16)}) * ToFloat(E4M3{uint8_t(i / 16)})) << i;
}

TEST_P(Gemm, InfinityAndNanReachTheOutputsTheyBelongTo) {
  for (WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16}) {
    Product product(tier(), format, 3, 40, 10);
    product.values[5 * 10 + 3] = NAN;
    product.Pack();
    product.Run();
    for (size_t row = 0; row < 3; ++row) {
      for (size_t column = 0; column < 40; ++column) {
        EXPECT_EQ(std::isnan(product.out[row * 40 + column]), column == 5) << row << " " << column;
      }
    }
  }
}

TEST_P(Gemm, UnpackedColumnIsTheRowThatWasPacked) {
  for (WeightFormat format : kAllFormats) {
    for (size_t depth : {1, 7, 16, 33, 70}) {
      Product product(tier(), format, 1, 45, depth);
      for (size_t column : {0, 15, 16, 31, 32, 44}) {
        std::vector<float> out(depth + 1, -1);
        tier().unpack_column[size_t(format)](product.packed.data(), product.scales.data(), depth, column, out.data());
        for (size_t k = 0; k < depth; ++k)
          ASSERT_EQ(out[k], product.values[column * depth + k] * product.scales[column]);
        EXPECT_EQ(out[depth], -1);
        tier().unpack_column[size_t(format)](product.packed.data(), nullptr, depth, column, out.data());
        for (size_t k = 0; k < depth; ++k) ASSERT_EQ(out[k], product.values[column * depth + k]);
      }
    }
  }
}

TEST_P(Gemm, OddElementOfABf16PairEntersFirst) {
  // 2^24 + 1 rounds to 2^24. Odd first: 2^24 - 2^24 + 1 = 1; even first: 2^24 + 1 - 2^24 = 0.
  const float x[4] = {1, 1, 1, 1}, weights[4] = {0, 0x1p24f, 1, -0x1p24f};
  Bytes packed(PackedBytes(WeightFormat::kBf16, 1, 4)), activations(8);
  PackWeightsBf16(weights, 1, 4, packed.data());
  tier().pack_activations_bf16(
      {.x = x, .stride = 4, .rows = 1, .depth = 4, .padded_depth = 4, .packed = activations.data(), .end_block = 1});
  float out = -1;
  tier().gemm[size_t(WeightFormat::kBf16)]({.weights = packed.data(),
                                            .activations = activations.data(),
                                            .out = &out,
                                            .out_stride = 1,
                                            .rows = 1,
                                            .depth = 4,
                                            .columns = 1,
                                            .end_panel = 1});
  EXPECT_EQ(out, 1);
}

OCTET_FOR_EVERY_TIER_AND_TWIN(Gemm);

}  // namespace
}  // namespace octet::kernels
