#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "eval/compare.h"
#include "eval/perplexity.h"

namespace octet {
namespace {

using testing::HasSubstr;

// Predicts token + 1 with a logit of `certainty`, all others with 0, and counts what it was asked.
class SuccessorModel : public ScoringModel {
 public:
  SuccessorModel(size_t vocab, float certainty) : vocab_(vocab), certainty_(certainty) {}

  size_t vocab_size() const override { return vocab_; }
  Status Read(std::span<const int32_t> tokens, size_t logits_from) override {
    window_.assign(tokens.begin(), tokens.end());
    logits_from_ = logits_from;
    ++windows_;
    return {};
  }
  Status Logits(size_t first, size_t count, float* logits) override {
    EXPECT_GE(first, logits_from_);
    std::fill(logits, logits + count * vocab_, 0.0f);
    for (size_t row = 0; row < count; ++row) {
      logits[row * vocab_ + (static_cast<size_t>(window_[first + row]) + 1) % vocab_] = certainty_;
    }
    rows_ += count;
    largest_block_ = std::max(largest_block_, count);
    return {};
  }

  std::vector<int32_t> window_;
  size_t windows_ = 0, rows_ = 0, largest_block_ = 0;

 private:
  size_t vocab_;
  float certainty_;
  size_t logits_from_ = 0;
};

class Measure : public testing::Test {
 protected:
  // A text that counts upward modulo the vocabulary, so that SuccessorModel is always right.
  EvaluationText Counting(size_t tokens, const WindowOptions& options) const {
    EvaluationText text;
    for (size_t i = 0; i < tokens; ++i) text.ids.push_back(static_cast<int32_t>(i % 10));
    text.plan = PlanWindows(tokens, options).value();
    return text;
  }

  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
  EvaluationRun run_{pool_, progress_, cancel_};
};

TEST_F(Measure, PerplexityIsThatOfTheKnownDistribution) {
  SuccessorModel model(10, 2);
  const Perplexity result = MeasurePerplexity(model, Counting(1000, {.context = 200}), run_).value();
  EXPECT_EQ(result.tokens, 5 * 99u);
  EXPECT_EQ(result.windows, 5u);
  EXPECT_NEAR(result.perplexity, (std::exp(2.0) + 9) / std::exp(2.0), 1e-12);
  EXPECT_NEAR(result.standard_error, 0, 1e-7);  // every token scores the same
  EXPECT_EQ(model.rows_, result.tokens);
  EXPECT_LE(model.largest_block_, kScoredRows);
}

TEST_F(Measure, BosIsReadAndNeverScored) {
  SuccessorModel model(10, 100);
  EvaluationText text = Counting(20, {.context = 10, .score_from = 2});
  text.bos = 9;
  const Perplexity result = MeasurePerplexity(model, text, run_).value();
  EXPECT_EQ(model.window_.front(), 9);
  EXPECT_NEAR(result.perplexity, 1, 1e-12);
  EXPECT_EQ(result.tokens, 16u);
}

TEST_F(Measure, ATokenBeyondTheVocabularyIsRefusedBeforeAnythingRuns) {
  SuccessorModel model(5, 1);
  const Result<Perplexity> result = MeasurePerplexity(model, Counting(20, {.context = 10}), run_);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("the id 5, the model's vocabulary ends at 5"));
  EXPECT_EQ(model.windows_, 0u);
}

TEST_F(Measure, LogitsThatAreNoNumbersAreAnErrorAndNotAResult) {
  SuccessorModel model(10, std::numeric_limits<float>::quiet_NaN());
  EXPECT_FALSE(MeasurePerplexity(model, Counting(20, {.context = 10}), run_).has_value());
}

TEST_F(Measure, CancellingStopsTheWalk) {
  SuccessorModel model(10, 1);
  cancel_.Request();
  const Result<Perplexity> result = MeasurePerplexity(model, Counting(20, {.context = 10}), run_);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(model.windows_, 0u);
}

TEST_F(Measure, AModelComparedWithItselfDivergesByZeroAndAgreesEverywhere) {
  SuccessorModel a(10, 2), b(10, 2);
  const Comparison result = CompareModels(a, b, Counting(1000, {.context = 200}), run_).value();
  EXPECT_EQ(result.kl_mean, 0);
  EXPECT_EQ(result.kl_p99, 0);
  EXPECT_EQ(result.top1, 1);
  EXPECT_EQ(result.a.perplexity, result.b.perplexity);
}

TEST_F(Measure, DivergenceIsMeasuredFromTheFirstModelToTheSecond) {
  SuccessorModel certain(10, 3), flat(10, 0);
  const EvaluationText text = Counting(400, {.context = 200});
  const double total = std::exp(3.0) + 9, top = std::exp(3.0) / total, rest = 1 / total;
  const Comparison forward = CompareModels(certain, flat, text, run_).value();
  EXPECT_NEAR(forward.kl_mean, top * std::log(top * 10) + 9 * rest * std::log(rest * 10), 1e-12);
  const Comparison backward = CompareModels(flat, certain, text, run_).value();
  EXPECT_NEAR(backward.kl_mean, -0.1 * std::log(top * 10) - 0.9 * std::log(rest * 10), 1e-12);
  EXPECT_NEAR(forward.kl_max, forward.kl_mean, 1e-12);
  EXPECT_NEAR(backward.a.perplexity, 10, 1e-9);
  // The flat model's ties go to id 0, which is the successor once in ten tokens.
  EXPECT_NEAR(forward.top1, 0.1, 0.02);
}

TEST_F(Measure, ModelsOfDifferentVocabulariesAreRefusedWithBothSizes) {
  SuccessorModel a(10, 1), b(12, 1);
  const Result<Comparison> result = CompareModels(a, b, Counting(20, {.context = 10}), run_);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("differ: 10 and 12 tokens"));
}

}  // namespace
}  // namespace octet
