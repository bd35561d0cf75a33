#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "numeric/int4.h"
#include "numeric/int8.h"

namespace octet {
namespace {

TEST(Int8Codes, EveryQuarterRoundsToNearestWithTiesToEven) {
  for (int quarter = -4 * 140; quarter <= 4 * 140; ++quarter) {
    const float value = static_cast<float>(quarter) / 4;
    // nearbyint in the default mode is the definition: nearest, ties to even.
    const float expected = std::fmin(std::fmax(std::nearbyint(value), -127.0f), 127.0f);
    EXPECT_EQ(ToFloat(ToInt8(value)), expected) << value;
  }
}

TEST(Int4Codes, EveryEighthRoundsToNearestWithTiesToEven) {
  for (int eighth = -8 * 10; eighth <= 8 * 10; ++eighth) {
    const float value = static_cast<float>(eighth) / 8;
    const float expected = std::fmin(std::fmax(std::nearbyint(value), -7.0f), 7.0f);
    EXPECT_EQ(ToFloat(ToInt4(value)), expected) << value;
  }
}

TEST(IntegerCodes, SaturateAtSymmetricLimitsAndMakeZeroOfNaN) {
  for (const float value : {1e9f, std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(ToInt8(value).code, 127);
    EXPECT_EQ(ToInt8(-value).code, -127);
    EXPECT_EQ(ToInt4(value).code, 7);
    EXPECT_EQ(ToInt4(-value).code, -7);
    EXPECT_EQ(ToInt8Stochastic(-value, 0xFFFFFFFFu).code, -127);
  }
  EXPECT_EQ(ToInt8(std::nanf("")).code, 0);
  EXPECT_EQ(ToInt4Stochastic(std::nanf(""), 0).code, 0);
}

TEST(IntegerCodes, EveryCodeSurvivesRoundTrip) {
  for (int code = -127; code <= 127; ++code) {
    EXPECT_EQ(ToInt8(static_cast<float>(code)).code, code);
    EXPECT_EQ(ToInt8Stochastic(static_cast<float>(code), 0).code, code);
    EXPECT_EQ(ToInt8Stochastic(static_cast<float>(code), 0xFFFFFFFFu).code, code);
  }
  for (int code = -7; code <= 7; ++code) EXPECT_EQ(ToInt4(ToFloat(Int4{static_cast<int8_t>(code)})).code, code);
}

TEST(IntegerCodes, StochasticRoundingReachesBothNeighboursInProportion) {
  for (const float value : {-6.75f, -0.75f, 0.25f, 3.25f}) {
    int up = 0;
    for (uint32_t k = 0; k < 64; ++k) {
      const float got = ToFloat(ToInt4Stochastic(value, (k << 26) + (1u << 25)));
      ASSERT_TRUE(got == std::floor(value) || got == std::floor(value) + 1);
      ASSERT_EQ(ToFloat(ToInt8Stochastic(value, (k << 26) + (1u << 25))), got);
      up += got > value ? 1 : 0;
    }
    EXPECT_EQ(up, 16) << value;
  }
}

}  // namespace
}  // namespace octet
