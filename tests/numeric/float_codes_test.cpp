// Every code and every BF16 input of the float formats, against ml_dtypes (tools/golden/numeric.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "numeric/bf16.h"
#include "numeric/e2m1.h"
#include "numeric/e8m0.h"
#include "numeric/fp16.h"
#include "numeric/fp8.h"
#include "tests/numeric/crc32.h"

namespace octet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const Json& Golden() {
  static const Json golden =
      *ParseJson(*ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/numeric/codes.json"), "codes.json");
  return golden;
}

template <class Code>
struct Format;
template <>
struct Format<Bf16> {
  static constexpr const char* kName = "bf16";
  static constexpr int kCodes = 65536;
  static constexpr float kMax = kBf16Max;
  static Bf16 Encode(float value) { return ToBf16(value); }
  static Bf16 Stochastic(float value, uint32_t random) { return ToBf16Stochastic(value, random); }
};
template <>
struct Format<Fp16> {
  static constexpr const char* kName = "fp16";
  static constexpr int kCodes = 65536;
  static constexpr float kMax = kFp16Max;
  static Fp16 Encode(float value) { return ToFp16(value); }
  static Fp16 Stochastic(float value, uint32_t random) { return ToFp16Stochastic(value, random); }
};
template <>
struct Format<E4M3> {
  static constexpr const char* kName = "e4m3";
  static constexpr int kCodes = 256;
  static constexpr float kMax = kE4M3Max;
  static E4M3 Encode(float value) { return ToE4M3(value); }
  static E4M3 Stochastic(float value, uint32_t random) { return ToE4M3Stochastic(value, random); }
};
template <>
struct Format<E5M2> {
  static constexpr const char* kName = "e5m2";
  static constexpr int kCodes = 256;
  static constexpr float kMax = kE5M2Max;
  static E5M2 Encode(float value) { return ToE5M2(value); }
  static E5M2 Stochastic(float value, uint32_t random) { return ToE5M2Stochastic(value, random); }
};
template <>
struct Format<E2M1> {
  static constexpr const char* kName = "e2m1";
  static constexpr int kCodes = 16;
  static constexpr float kMax = kE2M1Max;
  static E2M1 Encode(float value) { return ToE2M1(value); }
  static E2M1 Stochastic(float value, uint32_t random) { return ToE2M1Stochastic(value, random); }
};

template <class Code>
Code MakeCode(int bits) {
  Code code = {};
  code.bits = static_cast<decltype(code.bits)>(bits);
  return code;
}

template <class Code>
std::vector<float> FiniteValues() {
  std::vector<float> values;
  for (int bits = 0; bits < Format<Code>::kCodes; ++bits) {
    const float value = ToFloat(MakeCode<Code>(bits));
    if (std::isfinite(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

template <class Code>
class FloatFormat : public testing::Test {};
using AllFormats = testing::Types<Bf16, Fp16, E4M3, E5M2, E2M1>;
TYPED_TEST_SUITE(FloatFormat, AllFormats);

TYPED_TEST(FloatFormat, EveryCodeDecodesToTheValueOfMlDtypes) {
  std::vector<uint32_t> values;
  for (int bits = 0; bits < Format<TypeParam>::kCodes; ++bits) {
    const float value = ToFloat(MakeCode<TypeParam>(bits));
    if (!std::isnan(value)) values.push_back(FloatBits(value));
  }
  EXPECT_EQ(Crc32(values), Golden()["decode"][Format<TypeParam>::kName].template get<uint32_t>());
}

TYPED_TEST(FloatFormat, EveryFiniteCodeSurvivesRoundTrip) {
  for (int bits = 0; bits < Format<TypeParam>::kCodes; ++bits) {
    const float value = ToFloat(MakeCode<TypeParam>(bits));
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(Format<TypeParam>::Encode(value).bits, bits);
    ASSERT_EQ(Format<TypeParam>::Stochastic(value, 0xFFFFFFFFu).bits, bits);
  }
}

TYPED_TEST(FloatFormat, ValuesAroundEveryMidpointRoundAsMlDtypesDoes) {
  const std::vector<float> values = FiniteValues<TypeParam>();
  std::vector<float> inputs;
  for (const int step : {-1, 0, 1}) {
    for (size_t i = 1; i < values.size(); ++i) {
      const float middle = static_cast<float>((double{values[i - 1]} + double{values[i]}) / 2);
      inputs.push_back(step == 0 ? middle : std::nextafter(middle, static_cast<float>(step) * kInfinity));
    }
  }
  std::vector<decltype(TypeParam::bits)> codes;
  for (const float input : inputs) codes.push_back(Format<TypeParam>::Encode(input).bits);

  const Json& golden = Golden()["fine"][Format<TypeParam>::kName];
  ASSERT_EQ(Crc32(inputs), golden["crc_of_inputs"].template get<uint32_t>());
  EXPECT_EQ(Crc32(codes), golden["crc_of_codes"].template get<uint32_t>());
}

TYPED_TEST(FloatFormat, WhatLiesBeyondTheLargestSaturates) {
  const float largest = Format<TypeParam>::kMax;
  EXPECT_EQ(FiniteValues<TypeParam>().back(), largest);
  for (const float value : {std::nextafter(largest, kInfinity), std::numeric_limits<float>::max(), kInfinity}) {
    EXPECT_EQ(ToFloat(Format<TypeParam>::Encode(value)), largest);
    EXPECT_EQ(ToFloat(Format<TypeParam>::Encode(-value)), -largest);
    EXPECT_EQ(ToFloat(Format<TypeParam>::Stochastic(value, 0xFFFFFFFFu)), largest);
    EXPECT_EQ(ToFloat(Format<TypeParam>::Stochastic(-value, 0)), -largest);
  }
}

TYPED_TEST(FloatFormat, StochasticRoundingReachesBothNeighboursInProportion) {
  const std::vector<float> values = FiniteValues<TypeParam>();
  const size_t stride = std::max<size_t>(values.size() / 32, 1);
  for (size_t i = 1; i < values.size(); i += stride) {
    const double low = values[i - 1], high = values[i];
    // Fractions near an end tell many random bits from few.
    for (const double fraction : {1.0 / 1024, 3.0 / 1024, 0.25, 1.0 / 3, 0.5, 1021.0 / 1024}) {
      const float between = static_cast<float>(low + (high - low) * fraction);
      int up = 0;
      for (uint32_t k = 0; k < 4096; ++k) {
        // 4096 equally spaced random numbers: the share of the upper neighbour is exact to one of them.
        const float got = ToFloat(Format<TypeParam>::Stochastic(between, (k << 20) + (1u << 19)));
        ASSERT_TRUE(got == values[i - 1] || got == values[i]) << between << " became " << got;
        up += got == values[i] ? 1 : 0;
      }
      EXPECT_NEAR(up, 4096 * fraction, 1) << between << ", " << fraction << " of the way";
    }
  }
}

TYPED_TEST(FloatFormat, WhatIsFarBelowTheSmallestCodeIsRoundedStochasticallyInProportion) {
  const std::vector<float> values = FiniteValues<TypeParam>();
  const float smallest = *std::upper_bound(values.begin(), values.end(), 0.0F);
  const float tiny = std::ldexp(3 * smallest, -12);
  int up = 0;
  for (uint32_t k = 0; k < 16384; ++k) {
    const float got = ToFloat(Format<TypeParam>::Stochastic(tiny, (k << 18) + (1u << 17)));
    ASSERT_TRUE(got == 0 || got == smallest) << got;
    up += got == smallest ? 1 : 0;
  }
  EXPECT_EQ(up, 12);
}

template <class Code>
class CodesOfBf16 : public testing::Test {};
using NarrowFormats = testing::Types<Fp16, E4M3, E5M2, E2M1>;
TYPED_TEST_SUITE(CodesOfBf16, NarrowFormats);

TYPED_TEST(CodesOfBf16, EveryClampedBf16InputEncodesAsMlDtypesDoes) {
  const Json& golden = Golden()["codes"][Format<TypeParam>::kName];
  std::vector<decltype(TypeParam::bits)> codes;
  size_t run = 0;
  for (int bits = 0; bits < 65536; ++bits) {
    const float value = ToFloat(MakeCode<Bf16>(bits));
    if (!std::isfinite(value)) continue;
    const float clamped = std::clamp(value, -Format<TypeParam>::kMax, Format<TypeParam>::kMax);
    codes.push_back(Format<TypeParam>::Encode(clamped).bits);
    ASSERT_EQ(Format<TypeParam>::Encode(value).bits, codes.back()) << "clamping before changes nothing";
    const Json& runs = golden["runs"];
    if (runs.empty()) continue;
    if (run + 1 < runs.size() && bits >= runs[run + 1][0].template get<int>()) ++run;
    ASSERT_EQ(codes.back(), runs[run][1].template get<int>()) << "input " << value;
  }
  EXPECT_EQ(Crc32(codes), golden["crc_of_codes"].template get<uint32_t>());
}

// Of 2^32 random numbers two let 2^-31 of the smallest code become it, and none what is smaller by far.
TYPED_TEST(CodesOfBf16, StochasticRoundingUsesAll32RandomBits) {
  const std::vector<float> values = FiniteValues<TypeParam>();
  const float smallest = *std::upper_bound(values.begin(), values.end(), 0.0F);
  EXPECT_EQ(Format<TypeParam>::Stochastic(std::ldexp(smallest, -31), 0xFFFFFFFDu).bits, 0);
  EXPECT_EQ(Format<TypeParam>::Stochastic(std::ldexp(smallest, -31), 0xFFFFFFFEu).bits, 1);
  EXPECT_EQ(Format<TypeParam>::Stochastic(std::ldexp(smallest, -60), 0xFFFFFFFFu).bits, 0);
}

TEST(NaN, StaysNaNWithItsSignWhereTheFormatHasOne) {
  EXPECT_EQ(ToBf16(kNaN).bits, 0x7FC0);
  EXPECT_EQ(ToBf16(-kNaN).bits, 0xFFC0);
  EXPECT_EQ(ToFp16(kNaN).bits, 0x7E00);
  EXPECT_EQ(ToFp16(-kNaN).bits, 0xFE00);
  EXPECT_EQ(ToE4M3(kNaN).bits, 0x7F);
  EXPECT_EQ(ToE4M3(-kNaN).bits, 0xFF);
  EXPECT_EQ(ToE5M2(kNaN).bits, 0x7E);
  EXPECT_EQ(ToE5M2(-kNaN).bits, 0xFE);
  EXPECT_EQ(ToE4M3Stochastic(kNaN, 1).bits, 0x7F);
  EXPECT_EQ(ToE2M1(kNaN).bits, 0) << "E2M1 has no NaN";
}

TEST(E4M3Format, HasNoInfinityAndOneNaNPerSign) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = ToFloat(E4M3{static_cast<uint8_t>(bits)});
    EXPECT_FALSE(std::isinf(value));
    EXPECT_EQ(std::isnan(value), bits == 0x7F || bits == 0xFF);
  }
}

TEST(E8M0Format, EveryCodeIsAPowerOfTwoAndSurvivesRoundTrip) {
  std::vector<uint32_t> values;
  for (int bits = 0; bits < 255; ++bits) {
    const float value = ToFloat(E8M0{static_cast<uint8_t>(bits)});
    values.push_back(FloatBits(value));
    EXPECT_EQ(value, std::ldexp(1.0f, bits - 127));
    EXPECT_EQ(ToE8M0(value).bits, bits);
    EXPECT_EQ(ToE8M0Up(value).bits, bits);
    EXPECT_EQ(ToE8M0Down(value).bits, bits);
  }
  EXPECT_TRUE(std::isnan(ToFloat(kE8M0NaN)));
  EXPECT_EQ(Crc32(values), Golden()["decode"]["e8m0"].get<uint32_t>());
}

TEST(E8M0Format, EveryBf16InputRoundsAsMlDtypesDoes) {
  std::vector<uint8_t> codes;
  for (int bits = 0; bits < 0x7F80; ++bits) {
    const float value = ToFloat(MakeCode<Bf16>(bits));
    if (value >= 0x1p-126f && value <= 0x1p127f) codes.push_back(ToE8M0(value).bits);
  }
  EXPECT_EQ(Crc32(codes), Golden()["e8m0_crc_of_codes"].get<uint32_t>());
}

// ml_dtypes has codes 1 for 1.25 x 2^-127, NaN for zero and for 1.5 x 2^127.
TEST(E8M0Format, NearestBelowTheSmallestNormalAndAboveTheLargestIsNearestStill) {
  EXPECT_EQ(ToE8M0(0x0.4p-127F).bits, 0);
  EXPECT_EQ(ToE8M0(1.25F * 0x1p-127F).bits, 0);
  EXPECT_EQ(ToE8M0(std::nextafter(1.5F * 0x1p-127F, 0.0F)).bits, 0);
  EXPECT_EQ(ToE8M0(1.5F * 0x1p-127F).bits, 1);
  EXPECT_EQ(ToE8M0(1.5F * 0x1p127F).bits, 0xFE);
}

TEST(E8M0Format, UpIsNeverBelowAndDownNeverAbove) {
  for (int bits = 1; bits < 0x7F00; ++bits) {
    const float value = ToFloat(MakeCode<Bf16>(bits));
    EXPECT_GE(ToFloat(ToE8M0Up(value)), value);
    if (value >= 0x1p-127f) {
      EXPECT_LE(ToFloat(ToE8M0Down(value)), value);
      EXPECT_LT(value, 2 * ToFloat(ToE8M0Down(value)));
    }
  }
}

TEST(E8M0Format, ZeroIsTheSmallestPowerAndNegativesAreNaN) {
  EXPECT_EQ(ToE8M0(0.0f).bits, 0);
  EXPECT_EQ(ToE8M0Up(-0.0f).bits, 0);
  EXPECT_EQ(ToE8M0(-1.0f).bits, 0xFF);
  EXPECT_EQ(ToE8M0Up(kNaN).bits, 0xFF);
  EXPECT_EQ(ToE8M0(kInfinity).bits, 0xFE);
  EXPECT_EQ(ToE8M0Up(std::numeric_limits<float>::max()).bits, 0xFE);
}

}  // namespace
}  // namespace octet
