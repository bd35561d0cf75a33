#include "quantize/mxfp8_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/mapped_file.h"
#include "numeric/mx.h"

namespace octet {
namespace {

using testing::HasSubstr;

// Made by tools/golden/mxfp8.py with numpy and ml_dtypes: rows of every magnitude, a short last block, zeros, an
// outlier, largest values that are 448 times a power of two and just above.
TEST(Mxfp8Rows, CodesAndScalesEqualThoseOfMlDtypesBitForBit) {
  const Json golden =
      ParseJson(ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/quantize/mxfp8_rows.json").value(), "mxfp8_rows").value();
  const auto weights = golden["weights"].get<std::vector<float>>();
  ThreadPool pool(2);
  const EncodedMxfp8 encoded = EncodeMxfp8Rows(weights, golden["rows"], golden["columns"], pool).value();
  EXPECT_EQ(encoded.scales, golden["scales"].get<std::vector<uint8_t>>());
  EXPECT_EQ(encoded.codes, golden["codes"].get<std::vector<uint8_t>>());
}

TEST(Mxfp8Rows, ABlockOfZerosHasTheSmallestPower) {
  ThreadPool pool(1);
  std::vector<float> weights(64, 0.0F);
  weights[40] = 3;
  const EncodedMxfp8 encoded = EncodeMxfp8Rows(weights, 1, 64, pool).value();
  EXPECT_EQ(encoded.scales, (std::vector<uint8_t>{0, 120}));  // 3 / 448 is just below 2^-7
  EXPECT_EQ(ToFloat(E4M3{encoded.codes[40]}) * std::ldexp(1.0F, 120 - 127), 3);
}

TEST(Mxfp8Rows, NothingSaturates) {
  for (int exponent = -100; exponent <= 100; exponent += 10) {
    for (const float amax : {448.0F, std::nextafter(448.0F, 500.0F), 449.0F, 895.0F}) {
      const float scale = ToFloat(Mxfp8Scale(std::ldexp(amax, exponent)));
      EXPECT_EQ(scale, std::ldexp(1.0F, amax == 448 ? exponent : exponent + 1)) << amax << " * 2^" << exponent;
    }
  }
}

TEST(Mxfp8Rows, AWeightThatIsNoNumberIsNamedWithItsPlace) {
  ThreadPool pool(1);
  std::vector<float> weights(2 * 40, 1.0F);
  weights[40 + 33] = std::numeric_limits<float>::quiet_NaN();
  const Result<EncodedMxfp8> encoded = EncodeMxfp8Rows(weights, 2, 40, pool);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_THAT(encoded.error().message, HasSubstr("the weight at row 1, column 33 is no number (NaN)"));
}

}  // namespace
}  // namespace octet
