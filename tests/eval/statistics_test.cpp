#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "models/score.h"

namespace octet {
namespace {

// Made by tools/golden/eval.py with torch and numpy in double.
TEST(Statistics, PerplexityItsErrorAndQuantilesEqualNumpy) {
  // Logits near 2e4 leave 2e4 * 2^-52 of rounding in a double sum; 1e-10 covers it and 40 terms.
  constexpr double kTolerance = 1e-10;
  const Json golden =
      ParseJson(ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/eval/scores.json").value(), "scores.json").value();
  const auto a = golden["a"].get<std::vector<std::vector<float>>>(),
             b = golden["b"].get<std::vector<std::vector<float>>>();
  const auto targets = golden["targets"].get<std::vector<size_t>>();
  LikelihoodSum sum;
  std::vector<double> kl;
  for (size_t row = 0; row < a.size(); ++row) {
    sum.Add(NegativeLogLikelihood(a[row], targets[row]));
    kl.push_back(Compare(a[row], b[row], targets[row]).kl);
  }
  EXPECT_NEAR(sum.Perplexity() / golden["perplexity_a"].get<double>(), 1, 1e-9);
  EXPECT_NEAR(sum.PerplexityError() / golden["perplexity_error_a"].get<double>(), 1, 1e-9);
  EXPECT_NEAR(Quantile(kl, 0.5), golden["kl_p50"].get<double>(), kTolerance);
  EXPECT_NEAR(Quantile(kl, 0.99), golden["kl_p99"].get<double>(), kTolerance);
}
TEST(Statistics, NoValuesGiveZero) {
  EXPECT_EQ(Quantile({}, 0.99), 0);
  EXPECT_EQ(Mean({}), 0);
  EXPECT_EQ(LikelihoodSum().Mean(), 0);
  EXPECT_EQ(LikelihoodSum().PerplexityError(), 0);
}

TEST(Statistics, QuantileLiesLinearlyBetweenNeighbours) {
  const std::vector<double> values = {40, 10, 30, 20};
  EXPECT_EQ(Quantile(values, 0), 10);
  EXPECT_EQ(Quantile(values, 0.5), 25);
  EXPECT_EQ(Quantile(values, 1), 40);
}

}  // namespace
}  // namespace octet
