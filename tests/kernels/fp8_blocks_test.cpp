// Products of E4M3 weights in blocks of 128 x 128: against PyTorch's in float64, and what every tier promises.
#include <limits>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tests/kernels/product.h"

namespace octet::kernels {
namespace {

// Made by tools/golden/fp8_blocks.py.
struct GoldenProduct {
  GoldenProduct() {
    const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/kernels/fp8_blocks.json");
    EXPECT_TRUE(text.has_value());
    json = ParseJson(text.value_or("{}"), "fp8_blocks").value();
    rows = json["x"].size();
    depth = json["x"][0].size();
    columns = json["codes"].size();
    padded = PaddedDepth(WeightFormat::kE4M3Block, depth);
  }

  template <class Number>
  std::vector<Number> Flat(const char* name) const {
    std::vector<Number> out;
    for (const Json& row : json.at(name)) {
      for (const Json& value : row) out.push_back(value.get<Number>());
    }
    return out;
  }

  std::vector<uint8_t> Codes() const {
    std::vector<uint8_t> codes;
    for (const Json& row : json.at("codes")) {
      const auto text = row.get<std::string>();
      for (size_t i = 0; i < text.size(); i += 2)
        codes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return codes;
  }

  // Packed weights, whose columns have the scales of their block's row.
  Bytes Packed() const {
    std::vector<float> of_columns;
    for (size_t column = 0; column < columns; ++column) {
      for (const Json& scale : json["weight_scales"][column / kFp8Block]) of_columns.push_back(scale.get<float>());
    }
    Bytes packed(PackedBytes(WeightFormat::kE4M3Block, columns, depth));
    PackWeightsE4M3Block(Codes().data(), of_columns.data(), columns, depth, packed.data());
    return packed;
  }

  std::vector<float> Run(const KernelTable& tier, bool is_rounded, const Bytes& weights, size_t width) {
    const std::vector<float> x = Flat<float>("x");
    Bytes activations(ActivationBytes(ActivationFormat::kBf16, rows, padded));
    scales.assign(rows * Fp8Blocks(depth), -1);
    const KernelTable::PackArgs pack{.x = x.data(),
                                     .stride = depth,
                                     .rows = rows,
                                     .depth = depth,
                                     .padded_depth = padded,
                                     .packed = activations.data(),
                                     .block_scales = scales.data(),
                                     .end_block = RowBlocks(rows),
                                     .weights = WeightFormat::kE4M3Block};
    (is_rounded ? tier.pack_activations_e4m3_blocks : tier.pack_activations_bf16)(pack);
    std::vector<float> out(rows * width);
    tier.gemm[size_t(WeightFormat::kE4M3Block)]({.weights = weights.data(),
                                                 .activations = activations.data(),
                                                 .block_scales = is_rounded ? scales.data() : nullptr,
                                                 .out = out.data(),
                                                 .out_stride = width,
                                                 .rows = rows,
                                                 .depth = padded,
                                                 .columns = width,
                                                 .end_panel = Panels(width)});
    return out;
  }

  Json json;
  size_t rows = 0, columns = 0, depth = 0, padded = 0;
  std::vector<float> scales;
};

class Fp8BlocksOnEveryTier : public EveryTier {};

TEST_P(Fp8BlocksOnEveryTier, ProductsStayWithinTheNormBoundOfPyTorchs) {
  GoldenProduct golden;
  const Bytes weights = golden.Packed();
  for (const bool is_rounded : {false, true}) {
    const std::vector<float> got = golden.Run(tier(), is_rounded, weights, golden.columns);
    const auto want = golden.Flat<double>(is_rounded ? "fp8" : "bf16");
    const auto magnitudes = golden.Flat<double>(is_rounded ? "fp8_magnitudes" : "bf16_magnitudes");
    // Roundings of a block's chain, of the sums of two blocks and of the scales' product.
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_LE(std::fabs(got[i] - want[i]), magnitudes[i] * kFloatEps * (kFp8Block + 5)) << i << " " << is_rounded;
  }
}

// The identity shows each number that the product reads.
TEST_P(Fp8BlocksOnEveryTier, InputsAreRoundedToThePyTorchsCodesAndScales) {
  GoldenProduct golden;
  std::vector<uint8_t> codes(golden.depth * golden.depth);
  for (size_t i = 0; i < golden.depth; ++i) codes[i * golden.depth + i] = 0x38;  // 1
  const std::vector<float> ones(golden.depth * Fp8Blocks(golden.depth), 1);
  Bytes identity(PackedBytes(WeightFormat::kE4M3Block, golden.depth, golden.depth));
  PackWeightsE4M3Block(codes.data(), ones.data(), golden.depth, golden.depth, identity.data());
  const std::vector<float> got = golden.Run(tier(), true, identity, golden.depth);
  EXPECT_EQ(golden.scales, golden.Flat<float>("scales"));
  std::vector<float> want = golden.Flat<float>("rounded");
  for (float& value : want) value += 0.0f;  // sums have no -0
  EXPECT_EQ(AllBits(got), AllBits(want));
}

TEST_P(Fp8BlocksOnEveryTier, RoundedInputsGiveTheBitsOfTheDefinitionAloneAndInAnyBatch) {
  for (const size_t depth : {5, 128, 203, 576, 1100}) {
    Product batch(tier(), WeightFormat::kE4M3Block, 21, 75, depth);
    Product definition(DefinitionOf(tier()), WeightFormat::kE4M3Block, 21, 75, depth);
    Product alone(tier(), WeightFormat::kE4M3Block, 21, 75, depth);
    for (Product* product : {&batch, &definition, &alone}) product->rounds_blocks = true;
    batch.Run();
    definition.Run();
    for (size_t row = 0; row < 21; ++row) alone.Run(row, 1, 0, Panels(75));
    EXPECT_EQ(AllBits(batch.out), AllBits(definition.out)) << depth;
    EXPECT_EQ(AllBits(batch.out), AllBits(alone.out)) << depth;
    for (size_t first = 0, count = 1; first < 21; first += count++)
      alone.Run(first, std::min(count, 21 - first), 0, Panels(75));
    EXPECT_EQ(AllBits(batch.out), AllBits(alone.out)) << depth;
    for (size_t i = 0; i < batch.out.size(); ++i)
      ASSERT_LE(std::fabs(batch.out[i] - batch.Exact(i / 75, i % 75)), batch.Bound(i / 75, i % 75))
          << depth << " " << i;
  }
}

TEST_P(Fp8BlocksOnEveryTier, InputsThatAreNoNumbersSpoilTheirRowAlone) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    Product product(tier(), WeightFormat::kE4M3Block, 3, 40, 300);
    product.rounds_blocks = true;
    product.Run();
    const std::vector<float> before = product.out;
    product.x[300 + 140] = bad;
    product.Run();
    for (size_t column = 0; column < 40; ++column) {
      EXPECT_EQ(product.out[column], before[column]);
      EXPECT_TRUE(std::isnan(product.out[40 + column])) << column;
      EXPECT_EQ(product.out[80 + column], before[80 + column]);
    }
  }
}

// Chains, scales and sums below the least normal number count as zeros on each tier alike.
TEST_P(Fp8BlocksOnEveryTier, DenormalScalesAndSumsAreZeros) {
  Product product(tier(), WeightFormat::kE4M3Block, 5, 33, 300);
  Product definition(DefinitionOf(tier()), WeightFormat::kE4M3Block, 5, 33, 300);
  for (Product* each : {&product, &definition}) {
    for (size_t i = 0; i < each->fp8_scales.size(); ++i)
      each->fp8_scales[i] = std::ldexp(1.0f + float(i % 7), -140 + int(i % 20));
    each->Pack();
    std::fill(each->bias.begin(), each->bias.end(), 0.0f);
    std::fill(each->scales.begin(), each->scales.end(), 0x1p60f);
    each->Run();
  }
  EXPECT_EQ(AllBits(product.out), AllBits(definition.out));
}

OCTET_FOR_EVERY_TIER_AND_TWIN(Fp8BlocksOnEveryTier);

}  // namespace
}  // namespace octet::kernels
