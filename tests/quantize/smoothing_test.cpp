#include "quantize/smoothing.h"

#include <gmock/gmock.h>

#include "quantize/awq.h"
#include "quantize/calibration.h"
#include "quantize/calibration_pass.h"
#include "quantize/integer_rows.h"
#include "tests/models/golden_model.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

class SmoothingTest : public testing::Test {
 protected:
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
};

// Norms that add 1, biases, q, k and v in one tensor, gate and up in one, value heads that several query heads share.
class EverySmoothing : public SmoothingTest, public testing::WithParamInterface<const char*> {};

TEST_P(EverySmoothing, ASmoothedModelComputesWhatItDid) {
  const Recipe& recipe = *Must(FindRecipe(GetParam()));
  for (const std::string name : {"llama3", "qwen2", "phi3_short", "gemma2", "gemma3", "mistral"}) {
    const Checkpoint original = Must(Checkpoint::Open(GoldenModel(name)));
    const Golden golden = ReadGolden(name);
    QuantizePlan plan = Must(PlanQuantization(original, recipe, {}));
    const ModelSpec spec = Must(ReadHfConfig(original.config, name));
    EditedSource edited(*original.tensors);
    LayerSmoothing smoothing(spec, plan.map, edited, recipe.search);
    const CalibrationText text = {golden.ids};
    CalibrationPass pass = Must(CalibrationPass::Start(
        original, text, {.wanted = WantedFor(recipe, {}, recipe.encoding)}, {pool_, progress_, cancel_}));
    for (size_t layer = 0; layer < pass.layers(); ++layer) {
      LayerInputs inputs = Must(pass.Measure());
      ASSERT_TRUE(smoothing.Smooth(layer, inputs, pool_).has_value()) << name;
      ASSERT_TRUE(pass.Advance().has_value());
    }
    Checkpoint smoothed = original;
    smoothed.tensors = std::shared_ptr<const TensorSource>(original.tensors, &edited);
    size_t changed = 0;
    for (const TensorPrecision& tensor : plan.map.tensors)
      changed += ReadTensor(edited, tensor.source) == ReadTensor(*original.tensors, tensor.source) ? 0 : 1;
    EXPECT_GT(changed, spec.layers.size()) << name;
    TinyModel before(original, ComputeType::kF32, kernels::ActiveKernels());
    TinyModel after(smoothed, ComputeType::kF32, kernels::ActiveKernels());
    const std::vector<float> want = before.Logits(golden.ids, golden.ids.size());
    EXPECT_LT(RelativeError(after.Logits(golden.ids, golden.ids.size()), want), 1e-4) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Recipes, EverySmoothing, testing::Values("int4-awq", "int8-smoothquant"),
                         [](const auto& recipe) { return recipe.index == 0 ? "Int4Awq" : "Int8SmoothQuant"; });

TEST_F(SmoothingTest, AMatrixThatIsKeptKeepsItsInputs) {
  const Checkpoint original = Must(Checkpoint::Open(GoldenModel("llama3")));
  const QuantizePlan plan =
      Must(PlanQuantization(original, *Must(FindRecipe("int4-awq")), {.keep = {"*.v_proj", "*.up_proj"}}));
  const ModelSpec spec = Must(ReadHfConfig(original.config, "llama3"));
  EditedSource edited(*original.tensors);
  LayerSmoothing smoothing(spec, plan.map, edited, Search::kSmoothed);
  const CalibrationText text = {ReadGolden("llama3").ids};
  CalibrationPass pass =
      Must(CalibrationPass::Start(original, text, {.wanted = {.moments = true}}, {pool_, progress_, cancel_}));
  LayerInputs inputs = Must(pass.Measure());
  ASSERT_TRUE(smoothing.Smooth(0, inputs, pool_).has_value());
  for (const TensorPrecision& tensor : plan.map.tensors)
    EXPECT_EQ(ReadTensor(edited, tensor.source), ReadTensor(*original.tensors, tensor.source)) << tensor.source;
}

TEST_F(SmoothingTest, ValuesWhoseCacheHasScalesStayWhatTheyAre) {
  const Checkpoint original = Must(Checkpoint::Open(GoldenModel("llama3")));
  const QuantizePlan plan = Must(PlanQuantization(original, *Must(FindRecipe("int4-awq")), {}));
  const ModelSpec spec = Must(ReadHfConfig(original.config, "llama3"));
  const CalibrationText text = {ReadGolden("llama3").ids};
  for (const bool keeps : {false, true}) {
    EditedSource edited(*original.tensors);
    LayerSmoothing smoothing(spec, plan.map, edited, Search::kSmoothed);
    if (keeps) smoothing.KeepValues();
    CalibrationPass pass =
        Must(CalibrationPass::Start(original, text, {.wanted = {.moments = true}}, {pool_, progress_, cancel_}));
    LayerInputs inputs = Must(pass.Measure());
    ASSERT_TRUE(smoothing.Smooth(0, inputs, pool_).has_value());
    const std::string o = "model.layers.0.self_attn.o_proj.weight", down = "model.layers.0.mlp.down_proj.weight";
    EXPECT_EQ(ReadTensor(edited, o) == ReadTensor(*original.tensors, o), keeps);
    EXPECT_NE(ReadTensor(edited, down), ReadTensor(*original.tensors, down));
  }
}

TEST(AwqFactors, AColumnBelowTheSmallestNormalNumberHasNone) {
  const std::vector<float> factors = FactorsOf({{1, 4, 1}, {1e-39, 1, 1}}, 0.5, 0.5);
  EXPECT_EQ(factors[0], 1);
  for (const float factor : factors) EXPECT_TRUE(std::isfinite(factor));
}

// 64 inputs of which two are 50 times the others, one was always zero.
TEST_F(SmoothingTest, FactorsMoreThanHalveTheErrorWhereInputsHaveOutliers) {
  constexpr size_t kWide = 64, kSeen = 200;
  std::vector<float> x = Waves(kWide * kSeen);
  for (size_t row = 0; row < kSeen; ++row) {
    x[row * kWide + 5] *= 50;
    x[row * kWide + 40] *= 50;
    x[row * kWide + 9] = 0;
  }
  InputStatistics inputs{.width = kWide, .rows = kSeen, .moments = std::vector<float>(kWide * kWide)};
  for (size_t row = 0; row < kSeen; ++row) {
    for (size_t i = 0; i < kWide * kWide; ++i)
      inputs.moments[i] += x[row * kWide + i / kWide] * x[row * kWide + i % kWide];
  }
  FactorSearch search{.rows = Waves(kWide * 32), .inputs = &inputs, .origins = kWide, .group = 32};
  for (uint32_t i = 0; i < kWide; ++i) search.origin.push_back(i);
  const std::vector<float> factors = Must(SearchFactors(search, pool_));
  EXPECT_GT(factors[5], 1.2 * factors[6]);
  EXPECT_EQ(factors[9], 1);

  const auto error_with = [&](const std::vector<float>& of_inputs) {
    std::vector<float> scaled = search.rows, errors;
    for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= of_inputs[i % kWide];
    ErrorWeights known{.squares = inputs.MeanSquares()};
    for (size_t i = 0; i < kWide; ++i) known.squares[i] /= of_inputs[i] * of_inputs[i];
    const EncodedIntegers encoded = Must(EncodeInt4Groups(scaled, 32, kWide, 32, pool_, &known));
    for (size_t i = 0; i < scaled.size(); ++i) {
      const float scale = ToFloat(encoded.scales[i / 32]);
      errors.push_back((scaled[i] - static_cast<float>(encoded.codes[i]) * scale) / of_inputs[i % kWide]);
    }
    return ErrorOfProducts(errors, kWide, inputs.moments, pool_);
  };
  EXPECT_LT(error_with(factors), 0.5 * error_with(std::vector<float>(kWide, 1)));
}

}  // namespace
}  // namespace octet
