#include "quantize/e4m3_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/mapped_file.h"
#include "numeric/fp8.h"
#include "quantize/tensor_output.h"
#include "tests/quantize/waves.h"

namespace octet {
namespace {

using testing::HasSubstr;

std::vector<float> Flatten(const Json& rows) {
  std::vector<float> values;
  for (const Json& row : rows) {
    for (const Json& value : row) values.push_back(value.get<float>());
  }
  return values;
}

// Made by tools/golden/quantize.py with torch: rows of every magnitude, a row of zeros, an outlier, a single value.
TEST(E4M3Rows, CodesAndScalesEqualTorchBitForBit) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/quantize/fp8_rows.json");
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const Json golden = ParseJson(*text, "fp8_rows.json").value();
  const std::vector<float> weights = Flatten(golden["weights"]);
  const size_t rows = golden["scales"].size(), columns = weights.size() / rows;
  ThreadPool pool(2);
  const EncodedRows encoded = EncodeE4M3Rows(weights, rows, columns, pool).value();
  EXPECT_EQ(encoded.scales, golden["scales"].get<std::vector<float>>());
  std::vector<uint8_t> codes;
  for (const float code : Flatten(golden["codes"])) codes.push_back(static_cast<uint8_t>(code));
  EXPECT_EQ(encoded.codes, codes);
}

TEST(E4M3Rows, ARowOfZerosGetsTheScaleOne) {
  ThreadPool pool(1);
  const std::vector<float> weights = {0, 0, -0.0f, 3, 0, 0};
  const EncodedRows encoded = EncodeE4M3Rows(weights, 2, 3, pool).value();
  EXPECT_EQ(encoded.scales[0], 1);
  EXPECT_EQ(encoded.scales[1], 3.0f / 448);
  EXPECT_EQ(ToFloat(E4M3{encoded.codes[3]}), 448);
}

TEST(E4M3Rows, ARowWhoseScaleUnderflowsIsStoredAsZeros) {
  ThreadPool pool(1);
  const std::vector<float> weights = {1e-45f, -1e-45f};
  const EncodedRows encoded = EncodeE4M3Rows(weights, 1, 2, pool).value();
  EXPECT_EQ(encoded.scales[0], 1);
  EXPECT_EQ(encoded.codes[0] & 0x7F, 0);
}

// Made by tools/golden/quantize.py with torch: blocks that end within both axes, one of zeros.
TEST(E4M3Blocks, CodesAndScalesEqualTorchBitForBitForAnyThreads) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/quantize/fp8_blocks.json");
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const Json golden = ParseJson(*text, "fp8_blocks.json").value();
  const auto rows = golden["rows"].get<size_t>(), columns = golden["columns"].get<size_t>();
  std::vector<float> weights(rows * columns);
  for (size_t i = 0; i < weights.size(); ++i) {
    const bool is_zero = i / columns < 128 && i % columns >= 128;
    const auto thousandths = static_cast<float>(static_cast<int>(i * 7919 % 2001) - 1000);
    weights[i] = is_zero ? 0 : std::ldexp(thousandths / 1024, static_cast<int>(i % 5));
  }
  const auto hexadecimal = golden["codes"].get<std::string>();
  std::vector<uint8_t> codes;
  for (size_t i = 0; i < hexadecimal.size(); i += 2)
    codes.push_back(static_cast<uint8_t>(std::stoul(hexadecimal.substr(i, 2), nullptr, 16)));
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    const EncodedRows encoded = EncodeE4M3Blocks(weights, rows, columns, pool).value();
    EXPECT_EQ(encoded.scales, golden["scales"].get<std::vector<float>>());
    EXPECT_EQ(encoded.codes, codes);
    EXPECT_GT(encoded.noise.Decibels(), 28);
    EXPECT_LT(encoded.noise.Decibels(), 35);
  }
}

TEST(E4M3Blocks, AWeightThatIsNoNumberIsRefusedWithItsPlace) {
  ThreadPool pool(2);
  std::vector<float> weights(200 * 3, 1);
  weights[190 * 3 + 2] = std::numeric_limits<float>::quiet_NaN();
  const Result<EncodedRows> encoded = EncodeE4M3Blocks(weights, 200, 3, pool);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_THAT(encoded.error().message, HasSubstr("row 190, column 2"));
}

TEST(E4M3Rows, AWeightThatIsNoNumberIsRefusedWithItsPlace) {
  ThreadPool pool(2);
  std::vector<float> weights(12, 1);
  weights[7] = std::numeric_limits<float>::quiet_NaN();
  const Result<EncodedRows> encoded = EncodeE4M3Rows(weights, 3, 4, pool);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(encoded.error().message, HasSubstr("row 1, column 3"));
}

TEST(E4M3Rows, SignalToNoiseIsThatOfThreeMantissaBits) {
  ThreadPool pool(2);
  // Relative rounding error is uniform within 2^-4: 20 log10(2^4 * sqrt(3)) = 28.9 dB at worst, 31.5 dB over a binade.
  const EncodedRows encoded = EncodeE4M3Rows(Waves(64 * 256), 64, 256, pool).value();
  const double decibels = encoded.noise.Decibels();
  EXPECT_GT(decibels, 28.9);
  EXPECT_LT(decibels, 35);
}

TEST(E4M3Rows, ResultsDoNotDependOnTheNumberOfThreads) {
  std::vector<float> weights(37 * 19);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i));
  ThreadPool one(1), three(3);
  const EncodedRows a = EncodeE4M3Rows(weights, 37, 19, one).value(),
                    b = EncodeE4M3Rows(weights, 37, 19, three).value();
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.noise.noise, b.noise.noise);
}

}  // namespace
}  // namespace octet
