// Numbers at the lower end: denormals, which tiers may flush, E4M3's own subnormals, which none may, and rows of zeros.
#include <algorithm>

#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

// Activations [rows, depth] times weights [columns, depth], packed by the tier.
struct SmallProduct {
  WeightFormat format = WeightFormat::kF32;
  size_t rows = 0, columns = 0, depth = 0;
  std::vector<float> x = {}, weights = {};
  std::vector<uint8_t> codes = {};  // in place of weights where the format is E4M3
  bool rounds_rows = false;         // to E4M3 with a scale each

  std::vector<float> Run(const KernelTable& tier) const {
    Bytes packed(PackedBytes(format, columns, depth));
    if (format == WeightFormat::kF32) PackWeightsF32(weights.data(), columns, depth, packed.data());
    if (format == WeightFormat::kBf16) PackWeightsBf16(weights.data(), columns, depth, packed.data());
    if (format == WeightFormat::kE4M3) PackWeightsE4M3(codes.data(), columns, depth, packed.data());
    const size_t padded = PaddedDepth(format, depth);
    Bytes activations(ActivationBytes(ActivationsOf(format), rows, padded));
    std::vector<float> scales(rows), out(rows * columns, -1);
    KernelTable::PackArgs pack{.x = x.data(),
                               .stride = depth,
                               .rows = rows,
                               .depth = depth,
                               .padded_depth = padded,
                               .packed = activations.data(),
                               .end_block = RowBlocks(rows)};
    if (rounds_rows) pack.row_scales = scales.data();
    (rounds_rows                    ? tier.pack_activations_e4m3
     : format == WeightFormat::kF32 ? tier.pack_activations_f32
                                    : tier.pack_activations_bf16)(pack);
    tier.gemm[size_t(format)]({.weights = packed.data(),
                               .activations = activations.data(),
                               .row_scales = rounds_rows ? scales.data() : nullptr,
                               .out = out.data(),
                               .out_stride = columns,
                               .rows = rows,
                               .depth = padded,
                               .columns = columns,
                               .end_panel = Panels(columns)});
    return out;
  }

  float Weight(size_t column, size_t k) const {
    const size_t at = column * depth + k;
    return format == WeightFormat::kE4M3 ? ToFloat(E4M3{codes[at]}) : weights[at];
  }
  double Exact(size_t row, size_t column) const {
    double sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += double{x[row * depth + k]} * Weight(column, k);
    return sum;
  }
  // A flushed operand loses less than the least normal number times its partner, a flushed sum less than that number
  // once a step; what isn't flushed is rounded as ever.
  double Bound(size_t row, size_t column) const {
    constexpr double kLeastNormal = 0x1p-126;
    double products = 0, flushed = 0;
    for (size_t k = 0; k < depth; ++k) {
      const double a = std::fabs(x[row * depth + k]), w = std::fabs(Weight(column, k));
      products += a * w;
      flushed += kLeastNormal * (1 + (a < kLeastNormal ? w : 0) + (w < kLeastNormal ? a : 0));
    }
    return products * kFloatEps * static_cast<double>(depth + 3) + flushed;
  }

  void ExpectWithinBound(const std::vector<float>& out) const {
    for (size_t row = 0; row < rows; ++row) {
      for (size_t column = 0; column < columns; ++column) {
        const float got = out[row * columns + column];
        ASSERT_TRUE(std::isfinite(got)) << "row " << row << " column " << column;
        ASSERT_LE(std::fabs(got - Exact(row, column)), Bound(row, column)) << "row " << row << " column " << column;
      }
    }
  }
};

// Values that BF16 holds exactly, `exponent` being that of their unit.
std::vector<float> Bf16Values(size_t count, uint32_t seed, int exponent) {
  std::vector<float> values = RandomFloats(count, seed, std::ldexp(1.0F, exponent));
  for (float& value : values) value = ToFloat(ToBf16(value));
  return values;
}

// On both sides of the least normal number, 2^-126: the first five of nine rows, whose products and sums are too, and
// of BF16 weights the columns from 20 on, which the other rows show. The scales of columns lift what comes out.
struct DenormalProduct : Product {
  DenormalProduct(const KernelTable& kernels, WeightFormat weight_format)
      : Product(kernels, weight_format, 9, 40, 260) {
    for (size_t i = 0; i < 5 * depth; ++i) x[i] = std::ldexp(x[i], -138 + int(i % 23));
    if (format == WeightFormat::kBf16) {
      for (size_t i = 20 * depth; i < values.size(); ++i) values[i] = std::ldexp(values[i], -138 + int(i % 19));
      Pack();
    }
    std::fill(scales.begin(), scales.end(), 0x1p60F);
    std::fill(bias.begin(), bias.end(), 0.0F);
  }
};

class SmallNumbers : public EveryTier {};

TEST_P(SmallNumbers, DenormalOperandsStayWithinTheBoundOfAFlush) {
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16}) {
    SmallProduct product{.format = format, .rows = 9, .columns = 40, .depth = 66};
    // Activations and weights each mix denormals with normal numbers, so that all four pairs occur.
    product.x = Bf16Values(product.rows * product.depth, 1, 0);
    product.weights = Bf16Values(product.columns * product.depth, 2, 0);
    const std::vector<float> small_x = Bf16Values(product.x.size(), 3, -130);
    const std::vector<float> small_weights = Bf16Values(product.weights.size(), 4, -130);
    for (size_t i = 0; i < product.x.size(); i += 2) product.x[i] = small_x[i];
    for (size_t i = 0; i < product.weights.size(); i += 3) product.weights[i] = small_weights[i];
    product.ExpectWithinBound(product.Run(tier()));
    product.ExpectWithinBound(product.Run(Reference()));
  }
}

TEST_P(SmallNumbers, DenormalSumsOfNormalNumbersStayWithinTheBoundOfAFlush) {
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kE4M3}) {
    SmallProduct product{.format = format, .rows = 5, .columns = 33, .depth = 64};
    const bool is_codes = format == WeightFormat::kE4M3;
    product.x = Bf16Values(product.rows * product.depth, 1, is_codes ? -125 : -65);
    product.weights = Bf16Values(product.columns * product.depth, 2, -65);
    for (size_t i = 0; i < product.columns * product.depth; ++i) {
      product.codes.push_back(static_cast<uint8_t>(1 + i % 7 + (i % 2 == 0 ? 0x80 : 0)));
    }
    product.ExpectWithinBound(product.Run(tier()));
  }
}

TEST_P(SmallNumbers, DenormalsAreZerosInProductsOfBf16ActivationsOfAnyNumberOfRows) {
  for (const WeightFormat format : kAllFormats) {
    if (format == WeightFormat::kF32) continue;
    DenormalProduct batch(tier(), format), definition(DefinitionOf(tier()), format), part(tier(), format);
    batch.Run();
    definition.Run();
    EXPECT_EQ(AllBits(batch.out), AllBits(definition.out)) << kFormatNames[size_t(format)];
    for (size_t rows = 1; rows <= 9; ++rows) {
      for (const size_t first : {size_t{0}, 9 - rows}) {
        std::fill(part.out.begin(), part.out.end(), -1.0F);
        part.Run(first, rows, 0, Panels(40));
        EXPECT_EQ(std::memcmp(&part.out[first * 40], &batch.out[first * 40], rows * 40 * sizeof(float)), 0)
            << kFormatNames[size_t(format)] << ": rows " << first << " .. " << first + rows - 1;
      }
    }
  }
}

TEST_P(SmallNumbers, TiersEqualTheirDefinitionBitForBitAboveDenormals) {
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kE4M3}) {
    SmallProduct product{.format = format, .rows = 9, .columns = 40, .depth = 66};
    product.x = Bf16Values(product.rows * product.depth, 1, -30);
    product.weights = Bf16Values(product.columns * product.depth, 2, -30);
    product.codes = RandomCodes(product.columns * product.depth, 3);
    EXPECT_EQ(AllBits(product.Run(tier())), AllBits(product.Run(DefinitionOf(tier()))));
  }
}

// 2^-9 to 7 * 2^-9: a tier that flushed them, or decoded them by shifting bits, would lose them.
TEST_P(SmallNumbers, SubnormalE4M3CodesKeepTheirValue) {
  SmallProduct product{.format = WeightFormat::kE4M3, .rows = 3, .columns = 34, .depth = 4};
  product.x.assign(product.rows * product.depth, 0);
  for (size_t row = 0; row < product.rows; ++row) product.x[row * product.depth + row] = 1;
  for (size_t i = 0; i < product.columns * product.depth; ++i) {
    product.codes.push_back(static_cast<uint8_t>(i % 8 + (i % 3 == 0 ? 0x80 : 0)));
  }
  const std::vector<float> out = product.Run(tier());
  for (size_t row = 0; row < product.rows; ++row) {
    for (size_t column = 0; column < product.columns; ++column)
      EXPECT_EQ(out[row * product.columns + column], product.Weight(column, row)) << "column " << column;
  }
}

TEST_P(SmallNumbers, ZerosTimesAnythingAreZeros) {
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kE4M3}) {
    for (const bool rounds_rows : {false, true}) {
      if (rounds_rows && format != WeightFormat::kE4M3) continue;
      SmallProduct product{.format = format, .rows = 9, .columns = 40, .depth = 66};
      product.rounds_rows = rounds_rows;
      product.x = RandomFloats(product.rows * product.depth, 1);
      product.weights = RandomFloats(product.columns * product.depth, 2);
      product.codes = RandomCodes(product.columns * product.depth, 3);
      // Row 4 and column 33 are zero.
      std::fill_n(product.x.begin() + 4 * 66, 66, 0.0F);
      std::fill_n(product.weights.begin() + 33 * 66, 66, 0.0F);
      std::fill_n(product.codes.begin() + 33 * 66, 66, uint8_t{0});
      const std::vector<float> out = product.Run(tier());
      for (size_t column = 0; column < 40; ++column) EXPECT_EQ(out[4 * 40 + column], 0) << "column " << column;
      for (size_t row = 0; row < 9; ++row) EXPECT_EQ(out[row * 40 + 33], 0) << "row " << row;
      EXPECT_NE(out[0], 0);
    }
  }
}

TEST_P(SmallNumbers, ARowWhoseScaleWouldBeZeroHasTheScaleOne) {
  const size_t depth = 32, padded = PaddedDepth(WeightFormat::kE4M3, depth);
  std::vector<float> x(3 * depth, 0.0F), scales(3, -1);
  for (size_t i = 0; i < depth; ++i) {
    x[2 * depth + i] = static_cast<float>(i);
  }
  x[depth] = 0x1p-149F;  // a 448th of it is no float but zero
  Bytes packed(ActivationBytes(ActivationFormat::kBf16, 3, padded));
  tier().pack_activations_e4m3({.x = x.data(),
                                .stride = depth,
                                .rows = 3,
                                .depth = depth,
                                .padded_depth = padded,
                                .packed = packed.data(),
                                .row_scales = scales.data(),
                                .end_block = 1});
  EXPECT_EQ(scales[0], 1);
  EXPECT_EQ(scales[1], 1);
  EXPECT_EQ(scales[2], 31.0F / 448);
  // Nothing in the packed rows is NaN or infinite.
  const auto* codes = reinterpret_cast<const uint16_t*>(packed.data());
  for (size_t i = 0; i < 3 * padded; ++i) EXPECT_TRUE(std::isfinite(ToFloat(Bf16{codes[i]}))) << "number " << i;
}

OCTET_FOR_EVERY_TIER(SmallNumbers);

}  // namespace
}  // namespace octet::kernels
