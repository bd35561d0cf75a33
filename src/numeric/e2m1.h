// E2M1, the 4-bit float of OCP MX and NVFP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; no infinity, no NaN.
//
//   E2M1 code = ToE2M1(2.5f);      // 0x4: a tie goes to the even code
//   float value = ToFloat(code);   // 2
//
// One code per byte here, in its low nibble; how two share a byte is the layouts' matter. Encoding saturates at 6; NaN,
// which the format lacks, becomes 0.
#pragma once

#include "numeric/small_float.h"

namespace octet {

struct E2M1 {
  uint8_t bits;
};

inline constexpr SmallFloat kE2M1Layout = {.mantissa_bits = 1, .bias = 1, .largest = 0x7};
inline constexpr float kE2M1Max = 6.0f;

inline float ToFloat(E2M1 code) {
  const float value = MagnitudeToFloat<kE2M1Layout>(code.bits & 7u);
  return code.bits & 8 ? -value : value;
}

// The nearest code, ties to even.
inline E2M1 ToE2M1(float value) {
  if (std::isnan(value)) return {0};
  return {static_cast<uint8_t>((IsNegative(value) ? 8u : 0u) | RoundToNearest<kE2M1Layout>(MagnitudeBits(value)))};
}

// One of the two nearest; `random` is uniform in 32 bits.
inline E2M1 ToE2M1Stochastic(float value, uint32_t random) {
  if (std::isnan(value)) return {0};
  return {static_cast<uint8_t>((IsNegative(value) ? 8u : 0u) |
                               RoundStochastically<kE2M1Layout>(MagnitudeBits(value), random))};
}

}  // namespace octet
