#include "quantize/gptq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "numeric/e2m1.h"
#include "numeric/fp8.h"
#include "quantize/awq.h"
#include "quantize/code_rounding.h"
#include "quantize/e4m3_rows.h"
#include "quantize/integer_rows.h"
#include "quantize/mxfp8_rows.h"
#include "quantize/nvfp4_rows.h"
#include "quantize/recipe.h"
#include "tests/models/golden_model.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

constexpr size_t kGoldenGroup = 32;

// tools/golden/calibrated.py
class GptqGolden : public testing::Test {
 protected:
  GptqGolden() : golden_(ReadJsonFile(OCTET_SOURCE_DIR "/tests/golden/quantize/calibrated.json")) {
    const auto inputs = golden_["inputs"].get<std::vector<double>>();
    const size_t tokens = inputs.size() / columns_;
    for (size_t i = 0; i < columns_; ++i) {
      for (size_t j = 0; j < columns_; ++j) {
        double sum = 0;
        for (size_t row = 0; row < tokens; ++row) sum += inputs[row * columns_ + i] * inputs[row * columns_ + j];
        moments_.push_back(static_cast<float>(sum));
      }
      known_.squares.push_back(moments_[i * columns_ + i] / static_cast<float>(tokens));
    }
  }

  std::vector<int> Codes(const Json& json) const { return json.get<std::vector<int>>(); }
  std::vector<int> Int4() {
    const EncodedIntegers encoded = Must(EncodeInt4Groups(weights_, rows_, columns_, kGoldenGroup, pool_, &known_));
    return {encoded.codes.begin(), encoded.codes.end()};
  }
  std::vector<float> Nvfp4() {
    const EncodedNvfp4 encoded =
        Must(EncodeNvfp4Rows(weights_, rows_, columns_, Nvfp4GlobalScale(LargestMagnitude(weights_)), pool_, &known_));
    std::vector<float> values;
    for (size_t i = 0; i < weights_.size(); ++i)
      values.push_back(ToFloat(E2M1{static_cast<uint8_t>(encoded.codes[i / 2] >> i % 2 * 4 & 15)}));
    return values;
  }

  Json golden_;
  size_t rows_ = golden_["rows"], columns_ = golden_["columns"];
  std::vector<float> weights_ = golden_["weights"].get<std::vector<float>>();
  std::vector<float> moments_;
  ErrorWeights known_;
  ThreadPool pool_{2};
};

TEST_F(GptqGolden, FactorsAreThoseOfTorch) {
  for (const bool by_size : {false, true}) {
    const Json& want = golden_[by_size ? "by_size" : "in_order"];
    const ErrorFactor got = FactorMoments(moments_, columns_, {.by_size = by_size}, pool_);
    EXPECT_EQ(got.order, want["order"].get<std::vector<uint32_t>>());
    const auto upper = want["upper"].get<std::vector<float>>();
    for (size_t i = 0; i < upper.size(); ++i)
      ASSERT_NEAR(got.upper[i], upper[i], 1e-4 * upper[i / columns_ * columns_ + i / columns_]) << i;
  }
}

TEST_F(GptqGolden, ErrorsOfInputsThatMatterWeighMoreInTheChoiceOfScales) {
  const EncodedIntegers int4 = Must(EncodeInt4Groups(weights_, rows_, columns_, kGoldenGroup, pool_, &known_));
  const auto scales = golden_["int4_scales"].get<std::vector<float>>();
  for (size_t i = 0; i < scales.size(); ++i) EXPECT_EQ(ToFloat(int4.scales[i]), scales[i]) << i;
  EXPECT_EQ(Int4(), Codes(golden_["int4_codes"]));
  const EncodedNvfp4 nvfp4 =
      Must(EncodeNvfp4Rows(weights_, rows_, columns_, Nvfp4GlobalScale(LargestMagnitude(weights_)), pool_, &known_));
  EXPECT_EQ(nvfp4.scales, golden_["nvfp4_scales"].get<std::vector<uint8_t>>());
  EXPECT_EQ(Nvfp4(), golden_["nvfp4_values"].get<std::vector<float>>());
}

TEST_F(GptqGolden, CompensatedCodesAreThoseOfTorchInBothOrders) {
  for (const bool by_size : {false, true}) {
    const Json& want = golden_[by_size ? "by_size" : "in_order"];
    known_.factor = FactorMoments(moments_, columns_, {.by_size = by_size}, pool_);
    EXPECT_EQ(Int4(), Codes(want["int4_codes"]));
    EXPECT_EQ(Nvfp4(), want["nvfp4_values"].get<std::vector<float>>());
    const EncodedIntegers int8 = Must(EncodeInt8Rows(weights_, rows_, columns_, pool_, &known_));
    EXPECT_EQ(std::vector<int>(int8.codes.begin(), int8.codes.end()), Codes(want["int8_codes"]));
    EXPECT_EQ(Must(EncodeE4M3Rows(weights_, rows_, columns_, pool_, &known_)).codes,
              want["fp8_codes"].get<std::vector<uint8_t>>());
    known_.factor =
        FactorMoments(moments_, columns_, {.damping = Must(FindRecipe("mxfp8"))->damping, .by_size = by_size}, pool_);
    EXPECT_EQ(Must(EncodeMxfp8Rows(weights_, rows_, columns_, pool_, &known_)).codes,
              want["mxfp8_codes"].get<std::vector<uint8_t>>());
  }
}

// A row whose largest weight grows by the correction doesn't saturate: its scale is that of what becomes codes.
TEST_F(GptqGolden, ScalesOfRowsAreThoseOfCorrectedWeights) {
  known_.factor = FactorMoments(moments_, columns_, {.by_size = true}, pool_);
  const std::vector<Bf16> before = Must(EncodeInt8Rows(weights_, rows_, columns_, pool_, &known_)).scales;
  known_.correction.assign(columns_ * columns_, 0.0F);
  for (size_t i = 0; i < columns_; ++i) known_.correction[i * columns_ + i] = 0.25F;
  const std::vector<Bf16> after = Must(EncodeInt8Rows(weights_, rows_, columns_, pool_, &known_)).scales;
  constexpr size_t kZeros = 4;  // a row of zeros has the scale 1
  for (size_t row = 0; row < rows_; ++row)
    EXPECT_NEAR(ToFloat(after[row]), (row == kZeros ? 1 : 1.25F) * ToFloat(before[row]), 0.01F * ToFloat(after[row]));
}

TEST_F(GptqGolden, CompensationLowersTheErrorOfTheProducts) {
  const auto round = [](size_t, size_t, float weight) { return std::nearbyint(weight * 2) / 2; };
  std::vector<float> nearest = weights_, compensated = weights_;
  for (float& weight : nearest) weight = round(0, 0, weight);
  RoundWithCompensation(compensated, FactorMoments(moments_, columns_, {.by_size = true}, pool_), pool_, round);
  for (size_t i = 0; i < weights_.size(); ++i) nearest[i] -= weights_[i], compensated[i] -= weights_[i];
  EXPECT_LT(ErrorOfProducts(compensated, columns_, moments_, pool_),
            0.5 * ErrorOfProducts(nearest, columns_, moments_, pool_));
}

// At the weights that are nearest to the original's products nothing is to be gained: what the products on x lack,
// times x, is what the damping takes away.
TEST(Gptq, WeightsCorrectedForChangedInputsComeNearestToTheOriginalsProducts) {
  constexpr size_t kWidth = 70, kTokens = 300, kRows = 3;
  constexpr double kDamping = 0.05;
  const std::vector<float> x = Waves(kWidth * kTokens), weights = Waves(kWidth * kRows);
  std::vector<float> original = x;
  for (size_t i = 0; i < original.size(); ++i) original[i] += 0.1F * std::sin(static_cast<float>(i % 997));
  std::vector<float> moments(kWidth * kWidth), drift(kWidth * kWidth);
  double diagonal = 0;
  for (size_t i = 0; i < kWidth; ++i) {
    for (size_t j = 0; j < kWidth; ++j) {
      double moment = 0, change = 0;
      for (size_t t = 0; t < kTokens * kWidth; t += kWidth) {
        moment += static_cast<double>(x[t + i]) * x[t + j];
        change += static_cast<double>(original[t + i] - x[t + i]) * x[t + j];
      }
      moments[i * kWidth + j] = static_cast<float>(moment);
      drift[i * kWidth + j] = static_cast<float>(change);
      if (i == j) diagonal += moment;
    }
  }
  for (const bool by_size : {false, true}) {
    ThreadPool pool(2), alone(1);
    const ErrorFactor factor = FactorMoments(moments, kWidth, {.damping = kDamping, .by_size = by_size}, pool);
    const std::vector<float> correction = DriftCorrection(drift, factor, pool);
    EXPECT_EQ(DriftCorrection(drift, factor, alone), correction);
    std::vector<float> corrected = weights;
    AddCorrection(weights, correction, kWidth, pool, corrected);
    for (size_t row = 0; row < kRows; ++row) {
      std::vector<double> gain(kWidth), size(kWidth);
      for (size_t t = 0; t < kTokens * kWidth; t += kWidth) {
        double lack = 0;
        for (size_t i = 0; i < kWidth; ++i) {
          lack += static_cast<double>(weights[row * kWidth + i]) * original[t + i] -
                  static_cast<double>(corrected[row * kWidth + i]) * x[t + i];
        }
        for (size_t i = 0; i < kWidth; ++i) gain[i] += lack * x[t + i], size[i] += std::fabs(lack * x[t + i]);
      }
      for (size_t i = 0; i < kWidth; ++i) {
        const double moved = corrected[row * kWidth + i] - weights[row * kWidth + i];
        EXPECT_NEAR(gain[i], moved * kDamping * diagonal / kWidth, 1e-3 * size[i]) << row << ", " << i;
      }
    }
  }
}

// The correction times the moments, with their mean on the diagonal once more, is the drift: whatever damping the
// recipe has for its codes.
TEST(Gptq, DriftIsDampedByTheMeanOfTheMomentsInEveryRecipe) {
  constexpr size_t kWidth = 20, kTokens = 60;
  const std::vector<float> x = Waves(kWidth * kTokens);
  InputStatistics inputs{.width = kWidth, .rows = kTokens, .moments = std::vector<float>(kWidth * kWidth)};
  double mean = 0;
  for (size_t i = 0; i < kWidth * kWidth; ++i) {
    for (size_t t = 0; t < x.size(); t += kWidth) inputs.moments[i] += x[t + i / kWidth] * x[t + i % kWidth];
    if (i % (kWidth + 1) == 0) mean += inputs.moments[i] / double{kWidth};
  }
  ThreadPool pool(2);
  for (const char* name : {"int4-gptq", "mxfp8"}) {
    QuantizePlan plan{.recipe = Must(FindRecipe(name)), .choices = {}, .map = {}};
    for (const bool by_size : {false, true}) {
      plan.choices.rounds_by_size = by_size;
      inputs.drift.clear();
      EXPECT_TRUE(KnownErrors(inputs, plan, pool).correction.empty());
      inputs.drift = Waves(kWidth * kWidth);
      const ErrorWeights known = KnownErrors(inputs, plan, pool);
      const FactorOptions options{.damping = plan.recipe->damping, .by_size = by_size};
      EXPECT_EQ(known.factor->order, FactorMoments(inputs.moments, kWidth, options, pool).order);
      EXPECT_EQ(known.factor->upper, FactorMoments(inputs.moments, kWidth, options, pool).upper);
      ASSERT_EQ(known.correction.size(), inputs.drift.size());
      for (size_t i = 0; i < kWidth * kWidth; ++i) {
        const size_t row = i / kWidth, column = i % kWidth;
        double got = known.correction[i] * mean, size = std::fabs(got);
        for (size_t k = 0; k < kWidth; ++k) {
          const double add =
              static_cast<double>(known.correction[row * kWidth + k]) * inputs.moments[k * kWidth + column];
          got += add;
          size += std::fabs(add);
        }
        EXPECT_NEAR(got, inputs.drift[i], 1e-4 * size) << name << " " << i;
      }
    }
  }
}

// Widths of several blocks of the factor, threads that share them, a width of nothing known.
TEST(Gptq, FactorsAndRoundingAreTheSameBitsForAnyNumberOfThreads) {
  constexpr size_t kWide = 150, kRowsOfWide = 21;
  const std::vector<float> x = Waves(kWide * 400);
  std::vector<float> moments(kWide * kWide);
  for (size_t row = 0; row < 400; ++row) {
    for (size_t i = 0; i < kWide * kWide; ++i) moments[i] += x[row * kWide + i / kWide] * x[row * kWide + i % kWide];
  }
  std::vector<std::vector<float>> factors, rounded;
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    const ErrorFactor factor = FactorMoments(moments, kWide, {.by_size = true}, pool);
    factors.push_back(factor.upper);
    rounded.push_back(Waves(kWide * kRowsOfWide));
    RoundWithCompensation(rounded.back(), factor, pool,
                          [](size_t, size_t, float weight) { return std::nearbyint(weight * 4) / 4; });
  }
  EXPECT_EQ(factors[0], factors[1]);
  EXPECT_EQ(rounded[0], rounded[1]);
}

TEST(Gptq, InputsThatWereAlwaysZeroAreRoundedAlone) {
  ThreadPool pool(1);
  for (const float square : {0.0F, 4.0F}) {  // nothing known at all, and of one of two inputs
    const std::vector<float> moments = {square, 0, 0, 0};
    std::vector<float> weights = {0.3F, 0.8F};
    RoundWithCompensation(weights, FactorMoments(moments, 2, {}, pool), pool,
                          [](size_t, size_t, float weight) { return std::nearbyint(weight); });
    EXPECT_EQ(weights, (std::vector<float>{0, 1}));
  }
}

}  // namespace
}  // namespace octet
