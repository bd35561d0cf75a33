#include "quantize/choice_trial.h"

#include <gmock/gmock.h>

#include "models/score.h"
#include "quantize/choice_search.h"
#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

class ChoiceTrialTest : public testing::Test {
 protected:
  QuantizePlan PlanOf(const PrecisionChoices& choices) {
    return Must(PlanQuantization(checkpoint_, **FindRecipe("auto"), choices));
  }
  double Divergence(const QuantizePlan& plan, size_t threads = 2) {
    ThreadPool pool(threads);
    ChoiceTrial trial = Must(ChoiceTrial::Start(checkpoint_, windows_, {pool, progress_, cancel_}));
    EXPECT_EQ(trial.held_out_windows(), 1U);
    return Must(trial.Divergence(plan));
  }
  // Of the checkpoint that is written when it is calibrated on the first two windows, on the third, run whole.
  double DivergenceOfWritten(QuantizePlan plan) {
    ThreadPool pool(2);
    plan.windows = {windows_[0], windows_[1]};
    Must(QuantizeCheckpoint(checkpoint_, plan, directory_ / "written", {pool, progress_, cancel_}));
    TinyModel want(checkpoint_, ComputeType::kAuto, kernels::ActiveKernels());
    TinyModel got(Must(Checkpoint::Open(directory_ / "written")), ComputeType::kAuto, kernels::ActiveKernels());
    got.context.activations = nn::ActivationMode::kBf16;
    const std::vector<int32_t>& window = windows_[2];
    const size_t vocab = want.decoder.spec().vocab;
    const std::vector<float> a = want.Logits(window, window.size()), b = got.Logits(window, window.size());
    double sum = 0;
    for (size_t i = 0; i < window.size(); ++i)
      sum += Compare(std::span(a).subspan(i * vocab, vocab), std::span(b).subspan(i * vocab, vocab), 0).kl;
    return sum / static_cast<double>(window.size());
  }
  static PrecisionChoices Mixed() {
    PrecisionChoices choices;
    choices.by_slot["layers.0.attn.qkv"] = {.encoding = Encoding::kInt8};
    choices.by_slot["layers.1.ffn.gate_up"] = {.encoding = Encoding::kInt4, .group = 32};
    choices.by_slot["layers.1.attn.out"] = {};
    choices.by_slot["layers.2.ffn.down"] = {.encoding = Encoding::kE4M3};
    return choices;
  }

  Checkpoint checkpoint_ = Must(Checkpoint::Open(GoldenModel("llama3")));
  CalibrationText windows_ = {ReadGolden("llama3").ids, {5, 6, 7}, {9, 30, 2, 41, 8, 17, 3}};
  TemporaryDirectory directory_;
  Progress progress_;
  CancelFlag cancel_;
};

// The trial multiplies with codes rounded to BF16, the written model with codes and scales.
TEST_F(ChoiceTrialTest, TheDivergenceIsThatOfTheModelAsItIsWritten) {
  for (const PrecisionChoices& choices : {PrecisionChoices(), Mixed()}) {
    const QuantizePlan plan = PlanOf(choices);
    const double want = DivergenceOfWritten(plan);
    EXPECT_GT(want, 0);
    EXPECT_NEAR(Divergence(plan), want, 0.02 * want);
  }
}

TEST_F(ChoiceTrialTest, TheDivergenceIsTheSameForAnyNumberOfThreadsAndEachTime) {
  const QuantizePlan plan = PlanOf(Mixed());
  ThreadPool pool(2);
  ChoiceTrial trial = Must(ChoiceTrial::Start(checkpoint_, windows_, {pool, progress_, cancel_}));
  const double first = Must(trial.Divergence(plan));
  Must(trial.Divergence(PlanOf({})));
  EXPECT_EQ(Must(trial.Divergence(plan)), first);
  EXPECT_EQ(Divergence(plan, 1), first);
  EXPECT_EQ(Divergence(plan, 3), first);
}

TEST_F(ChoiceTrialTest, ASingleWindowIsCalibratedOnAndMeasuredOn) {
  windows_.resize(1);
  EXPECT_GT(Divergence(PlanOf({})), 0);
}

// Predictions of three parts; the first is worth INT8, the others aren't.
class ChoiceSearchTest : public ChoiceTrialTest {
 protected:
  static MixedPrecision Predicted() {
    MixedPrecision mixed;
    mixed.candidates = {{Encoding::kInt4, 64}, {Encoding::kNvfp4, 0}, {Encoding::kInt8, 0}, {}};
    for (int part = 0; part < 3; ++part) {
      mixed.parts.push_back({.slot = Cat("layers.", part, ".ffn.down"), .weights = 100, .candidates = {0, 1, 2, 3}});
      const double nvfp4 = part == 0 ? 10 : 1;
      mixed.parts.back().options.options = {{425, nvfp4 * 1.2}, {450, nvfp4}, {800, nvfp4 / 100}, {1600, 0}};
    }
    return mixed;
  }
};

TEST_F(ChoiceSearchTest, TheUniformChoiceIsThatOfLeastPredictedLossWithinTheBudget) {
  MixedPrecision mixed = Predicted();
  EXPECT_EQ(BestUniform(mixed, 4.3), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(BestUniform(mixed, 4.5), (std::vector<size_t>{1, 1, 1}));
  EXPECT_EQ(BestUniform(mixed, 8), (std::vector<size_t>{2, 2, 2}));
  EXPECT_EQ(BestUniform(mixed, 16), (std::vector<size_t>{2, 2, 2})) << "what stays is no recipe";
  EXPECT_EQ(BestUniform(mixed, 4.2), std::vector<size_t>());
  mixed.parts[1].candidates = {3, 1, 2, 0};  // the same by other numbers
  std::swap(mixed.parts[1].options.options[0], mixed.parts[1].options.options[3]);
  EXPECT_EQ(BestUniform(mixed, 4.3), (std::vector<size_t>{0, 3, 0}));
  mixed.parts[2].candidates = {1};
  mixed.parts[2].options.options = {{450, 1}};
  EXPECT_EQ(BestUniform(mixed, 4.3), std::vector<size_t>()) << "the third has no INT4";
}

// INT4 in the second and third pays 50 bits, not the 350 of INT8 in the first.
TEST_F(ChoiceSearchTest, AMarginKeepsWhatGainsLessThanIt) {
  const MixedPrecision mixed = Predicted();
  const std::vector<size_t> base = {1, 1, 1};
  EXPECT_EQ(ChooseWithMargin(mixed, base, 0, 4.5), base);
  EXPECT_EQ(ChooseWithMargin(mixed, base, 0, 5.5), (std::vector<size_t>{2, 0, 0}));
  EXPECT_EQ(ChooseWithMargin(mixed, base, 9, 5.5), (std::vector<size_t>{1, 1, 1}))
      << "INT4 in the others loses 4 more for 50 bits then, INT8 in the first 0.99 less for 350";
}

TEST_F(ChoiceSearchTest, FewerBitsForNothingAreTakenButNoGainForNothing) {
  MixedPrecision near = Predicted();
  const std::vector<size_t> base = {1, 1, 1};
  for (MixedPart& part : near.parts) part.options.options[0].loss = part.options.options[1].loss * 0.95;
  EXPECT_EQ(ChooseWithMargin(near, base, 1, 4.5), (std::vector<size_t>{0, 0, 0}));
  for (MixedPart& part : near.parts) part.options.options[0].bits = 450;
  EXPECT_EQ(ChooseWithMargin(near, base, 1, 4.5), base);
}

// Predictions that praise INT4 in all parts but one: INT8 there and INT4 elsewhere would be best by them.
TEST_F(ChoiceSearchTest, PredictionsThatMeasurementsRefuteAreNotFollowed) {
  ThreadPool pool(2);
  const QuantizeRun run{pool, progress_, cancel_};
  const QuantizePlan plan = PlanOf({});
  MixedPrecision mixed = Must(MeasureSensitivity(checkpoint_, plan, windows_, run));
  for (size_t i = 0; i < mixed.parts.size(); ++i) {
    MixedPart& part = mixed.parts[i];
    for (size_t option = 0; option < part.options.options.size(); ++option) {
      const std::optional<Encoding> encoding = mixed.candidates[part.candidates[option]].encoding;
      const bool is_praised = encoding == Encoding::kInt4 && i != 0;
      part.options.options[option].loss = encoding == Encoding::kInt8 ? 1 : is_praised ? 0.001 : 1000;
    }
  }
  const double bits = 8.5;
  ASSERT_TRUE(ChoosePrecision({.bits = bits}, mixed).has_value());
  EXPECT_LT(mixed.bits, 6);
  ASSERT_TRUE(TryChoices(checkpoint_, plan, windows_, bits, run, mixed).has_value());
  ASSERT_GE(mixed.tried.size(), 2U);
  EXPECT_FALSE(mixed.tried.front().margin.has_value());
  EXPECT_LT(mixed.tried.front().kl, mixed.tried.back().kl);
  EXPECT_LT(mixed.tried.back().predicted_kl, mixed.tried.front().predicted_kl);
  for (const auto& [slot, choice] : mixed.Choices()) EXPECT_EQ(choice.encoding, Encoding::kInt8) << slot;
  EXPECT_GT(mixed.bits, 8);
}

TEST_F(ChoiceSearchTest, WhatIsChosenHasTheLeastDivergenceOfWhatWasTriedAndKeepsTheBudget) {
  ThreadPool pool(2);
  const QuantizeRun run{pool, progress_, cancel_};
  const QuantizePlan plan = PlanOf({});
  MixedPrecision mixed = Must(MeasureSensitivity(checkpoint_, plan, windows_, run));
  ASSERT_TRUE(ChoosePrecision({.bits = 5}, mixed).has_value());
  ASSERT_TRUE(TryChoices(checkpoint_, plan, windows_, 5, run, mixed).has_value());
  ASSERT_GE(mixed.tried.size(), 2U);
  for (const TriedChoice& tried : mixed.tried) EXPECT_LE(tried.bits, 5);
  const auto least =
      std::min_element(mixed.tried.begin(), mixed.tried.end(), [](auto& a, auto& b) { return a.kl < b.kl; });
  for (size_t i = 0; i < mixed.parts.size(); ++i) EXPECT_EQ(mixed.parts[i].chosen, least->choice[i]);
  EXPECT_EQ(mixed.bits, least->bits);
  EXPECT_EQ(mixed.predicted_kl, least->predicted_kl);
}

}  // namespace
}  // namespace octet
