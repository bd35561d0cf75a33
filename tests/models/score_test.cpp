#include "models/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

// Made by tools/golden/eval.py with torch and numpy in double.
class ScoreGolden : public testing::Test {
 protected:
  void SetUp() override {
    const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/eval/scores.json");
    ASSERT_TRUE(text.has_value()) << text.error().message;
    golden_ = ParseJson(*text, "scores.json").value();
    a_ = golden_["a"].get<std::vector<std::vector<float>>>();
    b_ = golden_["b"].get<std::vector<std::vector<float>>>();
    targets_ = golden_["targets"].get<std::vector<size_t>>();
  }

  // Logits near 2e4 leave 2e4 * 2^-52 of rounding in a double sum; 1e-10 covers it and 40 terms.
  static constexpr double kTolerance = 1e-10;

  Json golden_;
  std::vector<std::vector<float>> a_, b_;
  std::vector<size_t> targets_;
};

TEST_F(ScoreGolden, LogSumExpEqualsTorchEvenForLogitsThatExpCannotHold) {
  for (size_t row = 0; row < a_.size(); ++row) {
    EXPECT_NEAR(LogSumExp(a_[row]), golden_["log_sum_exp_a"][row].get<double>(), kTolerance) << "row " << row;
  }
}

TEST_F(ScoreGolden, LikelihoodAndDivergenceEqualTorch) {
  for (size_t row = 0; row < a_.size(); ++row) {
    const Divergence divergence = Compare(a_[row], b_[row], targets_[row]);
    EXPECT_NEAR(divergence.kl, golden_["kl"][row].get<double>(), kTolerance) << "row " << row;
    EXPECT_NEAR(divergence.nll_a, golden_["nll_a"][row].get<double>(), kTolerance) << "row " << row;
    EXPECT_NEAR(divergence.nll_b, golden_["nll_b"][row].get<double>(), kTolerance) << "row " << row;
    EXPECT_EQ(divergence.same_top, golden_["same_top"][row].get<bool>()) << "row " << row;
    EXPECT_EQ(NegativeLogLikelihood(a_[row], targets_[row]), divergence.nll_a);
  }
}

TEST(Score, EqualLogitsDivergeByExactlyZero) {
  const std::vector<float> logits = {1.5f, -2.25f, 0.125f, 7};
  EXPECT_EQ(Compare(logits, logits, 0).kl, 0);
}

TEST(Score, ATokenThatIsRuledOutByBothAddsNoDivergence) {
  const float never = -std::numeric_limits<float>::infinity();
  const std::vector<float> a = {1, 2, never}, b = {1, 2, never};
  EXPECT_EQ(Compare(a, b, 0).kl, 0);
}

TEST(Score, ATokenThatOnlyTheSecondModelRulesOutMakesTheDivergenceInfinite) {
  const std::vector<float> a = {1, 2}, b = {1, -std::numeric_limits<float>::infinity()};
  EXPECT_EQ(Compare(a, b, 0).kl, std::numeric_limits<double>::infinity());
}

TEST(Score, NanLogitsShowAsNanAndNotAsAGoodScore) {
  const std::vector<float> logits = {1, std::numeric_limits<float>::quiet_NaN(), 2};
  EXPECT_TRUE(std::isnan(NegativeLogLikelihood(logits, 0)));
}

TEST(Score, TiesOfTheTopTokenGoToTheLowestId) {
  const std::vector<float> a = {3, 3, 1}, b = {3, 2, 1}, c = {2, 3, 1};
  EXPECT_TRUE(Compare(a, b, 0).same_top);
  EXPECT_FALSE(Compare(a, c, 0).same_top);
}

}  // namespace
}  // namespace octet
