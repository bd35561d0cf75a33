#include "quantize/integer_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/packed_integers.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

using testing::Each;
using testing::HasSubstr;

template <class Number>
std::vector<Number> Flatten(const Json& rows) {
  std::vector<Number> values;
  for (const Json& row : rows) {
    for (const Json& value : row) values.push_back(static_cast<Number>(value.get<double>()));
  }
  return values;
}

std::vector<float> Floats(const std::vector<Bf16>& codes) {
  std::vector<float> values;
  for (const Bf16 code : codes) values.push_back(ToFloat(code));
  return values;
}

// Made by tools/golden/quantize.py with torch, words by compressed-tensors: rows of every magnitude, a row of zeros, an
// outlier, a single value, and a last group of 8.
struct Case {
  const char* file;
  int bits;
};
class IntegerGolden : public testing::TestWithParam<Case> {};

TEST_P(IntegerGolden, CodesScalesAndWordsEqualTorchBitForBit) {
  const Result<std::string> text =
      ReadTextFile(Cat(OCTET_SOURCE_DIR "/tests/golden/quantize/", GetParam().file, ".json"));
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const Json golden = ParseJson(*text, GetParam().file).value();
  const std::vector<float> weights = Flatten<float>(golden["weights"]);
  const size_t rows = golden["weights"].size(), columns = weights.size() / rows;
  ThreadPool pool(2);
  const EncodedIntegers encoded = (GetParam().bits == 8 ? EncodeInt8Rows(weights, rows, columns, pool)
                                                        : EncodeInt4Groups(weights, rows, columns, 32, pool))
                                      .value();
  EXPECT_EQ(Floats(encoded.scales), Flatten<float>(golden["scales"]));
  EXPECT_EQ(encoded.codes, Flatten<int8_t>(golden["codes"]));
  std::vector<uint32_t> words(rows * PackedWords(columns, GetParam().bits)), want;
  PackIntegers(encoded.codes, columns, GetParam().bits, words);
  for (const int32_t word : Flatten<int32_t>(golden["words"])) want.push_back(static_cast<uint32_t>(word));
  EXPECT_EQ(words, want);
}

INSTANTIATE_TEST_SUITE_P(Integers, IntegerGolden, testing::Values(Case{"int8_rows", 8}, Case{"int4_groups", 4}),
                         [](const auto& test) { return std::string(test.param.file); });

TEST(IntegerRows, ARowOrGroupOfZerosGetsTheScaleOne) {
  ThreadPool pool(1);
  std::vector<float> weights(64);
  weights[40] = 3;
  const EncodedIntegers int4 = EncodeInt4Groups(weights, 1, 64, 32, pool).value();
  EXPECT_EQ(ToFloat(int4.scales[0]), 1);
  EXPECT_NE(ToFloat(int4.scales[1]), 1);
  const EncodedIntegers int8 = EncodeInt8Rows(weights, 2, 32, pool).value();
  EXPECT_EQ(ToFloat(int8.scales[0]), 1);
  EXPECT_EQ(int8.codes[40], 127);
}

TEST(IntegerRows, WeightsTooSmallForAScaleAreStoredAsZeros) {
  ThreadPool pool(1);
  const std::vector<float> weights(32, 1e-44f);
  EXPECT_THAT(EncodeInt4Groups(weights, 1, 32, 32, pool).value().codes, Each(0));
  EXPECT_THAT(EncodeInt8Rows(weights, 1, 32, pool).value().codes, Each(0));
}

TEST(IntegerRows, LargestWeightsKeepTheirSizeWithinAStep) {
  ThreadPool pool(1);
  std::vector<float> weights(32, 1);
  weights[3] = -3e38f;
  const EncodedIntegers int4 = EncodeInt4Groups(weights, 1, 32, 32, pool).value();
  const float scale = ToFloat(int4.scales[0]);
  EXPECT_TRUE(std::isfinite(scale));
  EXPECT_NEAR(static_cast<double>(int4.codes[3]) * scale, -3e38, std::fabs(scale) / 2);
}

TEST(IntegerRows, AWeightThatIsNoNumberIsRefusedWithItsPlace) {
  ThreadPool pool(2);
  std::vector<float> weights(12, 1);
  weights[7] = std::numeric_limits<float>::infinity();
  for (const Result<EncodedIntegers>& encoded :
       {EncodeInt8Rows(weights, 3, 4, pool), EncodeInt4Groups(weights, 3, 4, 32, pool)}) {
    ASSERT_FALSE(encoded.has_value());
    EXPECT_EQ(encoded.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(encoded.error().message, HasSubstr("row 1, column 3"));
  }
}

// That scale is one of those tried, but for its sign and rounding to BF16.
TEST(IntegerRows, AGroupLosesNoMoreThanWithTheLargestMagnitudeOverSeven) {
  ThreadPool pool(2);
  const std::vector<float> weights = Waves(64 * 256);
  double plain = 0;
  for (size_t first = 0; first < weights.size(); first += 32) {
    const std::span<const float> group = std::span(weights).subspan(first, 32);
    const float scale = ToFloat(ToBf16(LargestMagnitude(group) / 7));
    for (const float weight : group) {
      const double change = weight - std::nearbyint(weight / scale) * scale;
      plain += change * change;
    }
  }
  EXPECT_LT(EncodeInt4Groups(weights, 64, 256, 32, pool).value().noise.noise, plain);
}

TEST(IntegerRows, NoWeightIsClippedByMoreThanAStep) {
  ThreadPool pool(2);
  const std::vector<float> weights = Waves(64 * 256);
  const EncodedIntegers encoded = EncodeInt4Groups(weights, 64, 256, 32, pool).value();
  for (size_t i = 0; i < weights.size(); ++i) {
    const float scale = ToFloat(encoded.scales[i / 32]);
    // From 8 to 7 where the largest weight is at -8, and what rounding the scale to BF16 leaves out.
    EXPECT_LE(std::fabs(weights[i] / scale - encoded.codes[i]), 1 + 8.0 / 512) << i;
  }
}

// A step of amax / 127 rounds by at most half of it, and uniformly: 20 log10(127 * sqrt(12)) = 52.9 dB of a row whose
// weights are all as large as amax, 9 dB and more below that for weights spread over the range.
TEST(IntegerRows, SignalToNoiseOfInt8IsThatOfItsSteps) {
  ThreadPool pool(2);
  const double decibels = EncodeInt8Rows(Waves(64 * 256), 64, 256, pool).value().noise.Decibels();
  EXPECT_GT(decibels, 40);
  EXPECT_LT(decibels, 52.9);
}

TEST(IntegerRows, ResultsDoNotDependOnTheNumberOfThreads) {
  const std::vector<float> weights = Waves(37 * 70);
  ThreadPool one(1), three(3);
  const EncodedIntegers a = EncodeInt4Groups(weights, 37, 70, 32, one).value(),
                        b = EncodeInt4Groups(weights, 37, 70, 32, three).value();
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(Floats(a.scales), Floats(b.scales));
  EXPECT_EQ(a.noise.noise, b.noise.noise);
}

}  // namespace
}  // namespace octet
