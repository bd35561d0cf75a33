#include "quantize/nvfp4_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/mapped_file.h"
#include "numeric/e2m1.h"
#include "numeric/fp8.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

using testing::Each;
using testing::HasSubstr;

std::vector<uint8_t> Bytes(const Json& rows) {
  std::vector<uint8_t> bytes;
  for (const Json& row : rows) {
    for (const Json& value : row) bytes.push_back(value.get<uint8_t>());
  }
  return bytes;
}

EncodedNvfp4 Encode(const std::vector<float>& weights, size_t columns, float global, size_t threads = 1) {
  ThreadPool pool(threads);
  return EncodeNvfp4Rows(weights, weights.size() / columns, columns, global, pool).value();
}

// Made by tools/golden/quantize.py, codes of compressed-tensors: rows of every magnitude and an outlier.
TEST(Nvfp4Rows, CodesAndScalesEqualPyTorchsBitForBit) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/quantize/nvfp4_rows.json");
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const Json golden = ParseJson(*text, "nvfp4_rows").value();
  std::vector<float> weights;
  for (const Json& row : golden["weights"]) {
    for (const Json& value : row) weights.push_back(value.get<float>());
  }
  const float global = Nvfp4GlobalScale(LargestMagnitude(weights));
  EXPECT_EQ(global, golden["global"].get<float>());
  const EncodedNvfp4 encoded = Encode(weights, golden["weights"][0].size(), global);
  EXPECT_EQ(encoded.scales, Bytes(golden["scales"]));
  EXPECT_EQ(encoded.codes, Bytes(golden["packed"]));
}

TEST(Nvfp4Rows, ZerosHaveCodesOfZeroAndAScaleThatCanBeDividedBy) {
  const EncodedNvfp4 encoded = Encode(std::vector<float>(32), 32, Nvfp4GlobalScale(0));
  EXPECT_THAT(encoded.codes, Each(0));
  EXPECT_THAT(encoded.scales, Each(1));
  EXPECT_EQ(Nvfp4GlobalScale(0), 1);
  EXPECT_EQ(Nvfp4GlobalScale(1e-40F), 1) << "1 / amax would be infinite";
}

TEST(Nvfp4Rows, AShortLastBlockHasAScaleOfItsOwn) {
  std::vector<float> weights(2 * 19, 0.001F);
  weights[17] = 3;
  const EncodedNvfp4 encoded = Encode(weights, 19, Nvfp4GlobalScale(3));
  ASSERT_EQ(encoded.scales.size(), 4u);
  ASSERT_EQ(encoded.codes.size(), 2 * 10u);
  EXPECT_EQ(ToFloat(E4M3{encoded.scales[1]}), 448);
  EXPECT_EQ(encoded.codes[8], 0x70) << "columns 16 and 17: 0.001 is nothing beside 3, which is 6 * 448";
  EXPECT_EQ(encoded.codes[9], 0) << "column 18, and no column 19";
  EXPECT_EQ(encoded.codes[0], 0x66) << "4 times a scale that E4M3 has is nearer to 0.001 than 6 times another";
}

// Rounding to E2M1 keeps the largest weight of a block within half a step of 2, and that of its scale within 1/16.
TEST(Nvfp4Rows, EveryWeightIsWithinAStepOfItsValue) {
  const std::vector<float> weights = Waves(64 * 256);
  const float global = Nvfp4GlobalScale(LargestMagnitude(weights));
  const EncodedNvfp4 encoded = Encode(weights, 256, global);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float scale = ToFloat(E4M3{encoded.scales[i / 16]}) / global;
    const E2M1 code{static_cast<uint8_t>(encoded.codes[i / 2] >> i % 2 * 4 & 15)};
    EXPECT_LE(std::fabs(weights[i] / scale - ToFloat(code)), 1.0 + 1e-6) << i;
  }
  EXPECT_GT(encoded.noise.Decibels(), 17);
  EXPECT_LT(encoded.noise.Decibels(), 24);
}

TEST(Nvfp4Rows, AWeightThatIsNoNumberIsRefusedWithItsPlace) {
  ThreadPool pool(2);
  std::vector<float> weights(12, 1);
  weights[7] = std::numeric_limits<float>::infinity();
  const Result<EncodedNvfp4> encoded = EncodeNvfp4Rows(weights, 3, 4, 1, pool);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(encoded.error().message, HasSubstr("row 1, column 3"));
}

TEST(Nvfp4Rows, ResultsDoNotDependOnTheNumberOfThreads) {
  const std::vector<float> weights = Waves(37 * 70);
  const EncodedNvfp4 a = Encode(weights, 70, 100, 1), b = Encode(weights, 70, 100, 3);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.noise.noise, b.noise.noise);
}

}  // namespace
}  // namespace octet
