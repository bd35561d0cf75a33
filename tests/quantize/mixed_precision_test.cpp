#include "quantize/mixed_precision.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/base/temporary_directory.h"
#include "tests/models/editable_source.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using testing::HasSubstr;

class MixedPrecisionTest : public testing::Test {
 protected:
  MixedPrecision Measure(const PrecisionChoices& choices, size_t threads = 2) {
    ThreadPool pool(threads);
    const QuantizePlan plan = Must(PlanQuantization(checkpoint_, **FindRecipe("auto"), choices));
    return Must(MeasureSensitivity(checkpoint_, plan, windows_, {pool, progress_, cancel_}));
  }
  static const BudgetOption& Option(const MixedPrecision& mixed, const MixedPart& part, std::string_view name) {
    for (size_t i = 0; i < part.candidates.size(); ++i) {
      if (Name(mixed.candidates[part.candidates[i]]) == name) return part.options.options[i];
    }
    ADD_FAILURE() << part.slot << " has no " << name;
    return part.options.options.front();
  }

  Checkpoint checkpoint_ = Must(Checkpoint::Open(GoldenModel("llama3")));
  CalibrationText windows_ = {ReadGolden("llama3").ids, {5, 6, 7}};
  Progress progress_;
  CancelFlag cancel_;
};

TEST_F(MixedPrecisionTest, EveryMatrixOfEveryLayerHasItsCostInEveryCandidate) {
  const MixedPrecision mixed = Measure({});
  const size_t layers = Must(ReadHfConfig(checkpoint_.config, "llama3")).layers.size();
  ASSERT_EQ(mixed.parts.size(), 4 * layers);
  uint64_t weights = 0;
  for (const MixedPart& part : mixed.parts) {
    weights += part.weights;
    ASSERT_EQ(part.measured.size(), 2U) << part.slot;
    double predicted = 1, wanted = 1;
    for (const MeasuredOption& measured : part.measured) {
      EXPECT_GT(measured.kl, 0) << part.slot;
      predicted *= part.options.options[measured.option].loss;
      wanted *= measured.kl;
    }
    EXPECT_NEAR(predicted, wanted, 1e-9 * wanted) << part.slot;
    const double nvfp4 = Option(mixed, part, "nvfp4").loss;
    EXPECT_EQ(part.options.options[part.measured.front().option].loss, nvfp4) << part.slot;
    const double count = static_cast<double>(part.weights);
    EXPECT_EQ(Option(mixed, part, "nvfp4").bits, 4.5 * count) << part.slot;
    EXPECT_EQ(Option(mixed, part, "int4 g32").bits, 4.5 * count) << part.slot;
    EXPECT_EQ(Option(mixed, part, "bf16").bits, 16 * count) << part.slot;
    EXPECT_EQ(Option(mixed, part, "bf16").loss, 0) << part.slot;
    EXPECT_GT(Option(mixed, part, "int8").loss, 0) << part.slot;
    EXPECT_LT(Option(mixed, part, "int8").loss, nvfp4) << part.slot;
    EXPECT_LT(Option(mixed, part, "fp8").loss, nvfp4) << part.slot;
  }
  EXPECT_EQ(weights, mixed.weights());
}

// Two layers whose INT4 costs 2 and 8 times what NVFP4 does for an error: 4 for both, so that measured divergences of
// 0.1, 0.4 and 0.1, 1.6 are taken for costs of 0.1 * sqrt(2), 0.1 / sqrt(2) and so on. BF16 has no error.
TEST(PredictDivergences, LayersShareWhatInt4CostsMoreThanOtherCodesAndPartsKeepTheirMeans) {
  const auto part_of = [](std::string slot, double nvfp4, double int4) {
    MixedPart part{.slot = std::move(slot), .weights = 1, .candidates = {0, 3, 4, 6}};
    part.options.options = {{4.1, 2}, {4.5, 1}, {8, 0.01}, {16, 0}};  // int4 g128, nvfp4, int8, bf16
    part.measured = {{.option = 1, .kl = nvfp4}, {.option = 0, .kl = int4}};
    return part;
  };
  std::vector<MixedPart> parts = {part_of("layers.0.ffn.down", 0.1, 0.4), part_of("layers.1.ffn.down", 0.1, 1.6),
                                  part_of("layers.1.attn.qkv", 0.3, 0.6), part_of("layers.2.attn.qkv", 0, 0)};
  parts.push_back(part_of("layers.2.ffn.down", 0, 0.8));  // 0.4 for an error in INT4, a fourth of that in others
  internal::PredictDivergences(parts);
  const double root = std::sqrt(2.0);
  const std::vector<std::vector<double>> want = {{0.8 / root, 0.1 / root, 0.001 / root, 0},
                                                 {0.8 * root, 0.1 * root, 0.001 * root, 0},
                                                 {0.6, 0.3, 0.003, 0},
                                                 {0, 0, 0, 0},
                                                 {0.8, 0.1, 0.001, 0}};
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t option = 0; option < 4; ++option)
      EXPECT_NEAR(parts[i].options.options[option].loss, want[i][option], 1e-12) << parts[i].slot << " " << option;
  }
}

// 64 inputs are two groups of 32 or one of 64, the 96 of down are three of 32.
TEST_F(MixedPrecisionTest, GroupsThatDontDivideTheInputsAreNoCandidates) {
  const MixedPrecision mixed = Measure({});
  for (const MixedPart& part : mixed.parts) {
    std::string groups;
    for (const size_t candidate : part.candidates) {
      const LayerChoice& choice = mixed.candidates[candidate];
      if (choice.encoding == Encoding::kInt4) groups += Cat(choice.group, " ");
    }
    EXPECT_EQ(groups, part.slot.ends_with("ffn.down") ? "32 " : "64 32 ") << part.slot;
  }
}

TEST_F(MixedPrecisionTest, MeasurementsAreTheSameForAnyNumberOfThreads) {
  const MixedPrecision one = Measure({}, 1), three = Measure({}, 3);
  ASSERT_EQ(one.parts.size(), three.parts.size());
  for (size_t i = 0; i < one.parts.size(); ++i) {
    for (size_t k = 0; k < one.parts[i].options.options.size(); ++k)
      EXPECT_EQ(one.parts[i].options.options[k].loss, three.parts[i].options.options[k].loss) << one.parts[i].slot;
  }
}

TEST_F(MixedPrecisionTest, KeptMatricesAreNoPartAndAGroupOfOneTensorIsStillOne) {
  const MixedPrecision mixed = Measure({.keep = {"*.down_proj", "*.0.self_attn.v_proj"}});
  uint64_t first = 0, second = 0;
  for (const MixedPart& part : mixed.parts) {
    EXPECT_THAT(part.slot, testing::Not(HasSubstr("down")));
    if (part.slot == "layers.0.attn.qkv") first = part.weights;
    if (part.slot == "layers.1.attn.qkv") second = part.weights;
  }
  EXPECT_GT(first, 0U);
  EXPECT_LT(first, second);
}

TEST_F(MixedPrecisionTest, MoreBitsAreSpentWhereTheySaveMostAndNoneBeyondTheBudget) {
  MixedPrecision mixed = Measure({});
  double before = std::numeric_limits<double>::infinity();
  for (const double bits : {4.6, 5.0, 6.0, 8.0, 12.0}) {
    ASSERT_TRUE(ChoosePrecision({.bits = bits}, mixed).has_value());
    EXPECT_LE(mixed.bits, bits);
    EXPECT_LT(mixed.predicted_kl, before);
    before = mixed.predicted_kl;
  }
  const Status all = ChoosePrecision({.bits = 16}, mixed);
  ASSERT_FALSE(all.has_value());
  EXPECT_THAT(all.error().message, HasSubstr("--bits 16 leaves every matrix as it is"));
  ASSERT_TRUE(ChoosePrecision({.max_kl = 0.01}, mixed).has_value());
  EXPECT_LE(mixed.predicted_kl, 0.01);
  const Status too_few = ChoosePrecision({.bits = 3.5}, mixed);
  ASSERT_FALSE(too_few.has_value());
  EXPECT_EQ(too_few.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(too_few.error().message, HasSubstr("--bits 3.5 is below 4."));
}

TEST_F(MixedPrecisionTest, AWeightThatIsNoNumberIsNamed) {
  for (const char* name : {"model.layers.1.mlp.down_proj.weight", "model.layers.1.input_layernorm.weight"}) {
    auto source = std::make_shared<EditableSource>(*checkpoint_.tensors);
    std::vector<float> weights = ReadTensor(*source, name);
    weights[7] = std::numeric_limits<float>::quiet_NaN();
    source->Set(name, DType::kF32, source->Find(name)->shape, weights);
    Checkpoint broken = checkpoint_;
    broken.tensors = source;
    ThreadPool pool(2);
    const QuantizePlan plan = Must(PlanQuantization(broken, **FindRecipe("auto"), {}));
    const Result<MixedPrecision> mixed = MeasureSensitivity(broken, plan, windows_, {pool, progress_, cancel_});
    ASSERT_FALSE(mixed.has_value());
    EXPECT_EQ(mixed.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(mixed.error().message, HasSubstr(name));
  }
}

TEST_F(MixedPrecisionTest, WhatIsChosenIsWritten) {
  const TemporaryDirectory directory;
  ThreadPool pool(2);
  MixedPrecision mixed = Measure({});
  ASSERT_TRUE(ChoosePrecision({.bits = 6}, mixed).has_value());
  PrecisionChoices choices{.by_slot = mixed.Choices()};
  choices.by_slot["layers.0.ffn.down"] = {};
  choices.by_slot["layers.1.ffn.down"] = {.encoding = Encoding::kE4M3};
  const auto write = [&](const PrecisionChoices& of, const char* to) {
    QuantizePlan plan = Must(PlanQuantization(checkpoint_, **FindRecipe("auto"), of));
    plan.windows = windows_;
    return Must(QuantizeCheckpoint(checkpoint_, plan, directory / to, {pool, progress_, cancel_}));
  };
  for (const QuantizedTensor& tensor : write(choices, "mixed").tensors) {
    const std::string& name = tensor.precision.name;
    if (name == "model.layers.0.mlp.down_proj.weight") {
      EXPECT_EQ(tensor.precision.precision(), "BF16");
    }
    if (name == "model.layers.1.mlp.down_proj.weight") {
      EXPECT_EQ(tensor.precision.precision(), "F8_E4M3");
    }
  }
  write({}, "uniform");
  const auto error_of = [&](const char* name) {
    const std::vector<int32_t>& ids = windows_.front();
    TinyModel want(checkpoint_, ComputeType::kBf16, kernels::ActiveKernels());
    TinyModel got(Must(Checkpoint::Open(directory / name)), ComputeType::kBf16, kernels::ActiveKernels());
    got.context.activations = nn::ActivationMode::kBf16;
    return RelativeError(got.Logits(ids, ids.size()), want.Logits(ids, ids.size()));
  };
  EXPECT_LT(error_of("mixed"), error_of("uniform")) << "6 bits are more than 4.5";
}

}  // namespace
}  // namespace octet
