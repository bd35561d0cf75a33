// BF16: the upper half of a float. Sign, 8 exponent bits (bias 127), 7 mantissa bits; infinities and NaN.
//
//   Bf16 code = ToBf16(3.14159f);   // 0x4049
//   float value = ToFloat(code);    // 3.140625
//
// Encoding saturates at kBf16Max, infinity included; NaN stays NaN and keeps its sign. Every code but those of infinity
// and NaN survives a round trip. Shared arithmetic: numeric/small_float.h.
#pragma once

#include "numeric/small_float.h"

namespace octet {

struct Bf16 {
  uint16_t bits;
};

inline constexpr SmallFloat kBf16Layout = {.mantissa_bits = 7, .bias = 127, .largest = 0x7F7F};
inline constexpr float kBf16Max = 3.38953139e38f;

inline float ToFloat(Bf16 code) { return std::bit_cast<float>(static_cast<uint32_t>(code.bits) << 16); }

namespace internal {
inline Bf16 WithBf16Sign(float value, uint32_t magnitude) {
  return {static_cast<uint16_t>((IsNegative(value) ? 0x8000u : 0u) | magnitude)};
}
}  // namespace internal

// The nearest BF16, ties to even.
inline Bf16 ToBf16(float value) {
  if (std::isnan(value)) return internal::WithBf16Sign(value, 0x7FC0);
  return internal::WithBf16Sign(value, RoundToNearest<kBf16Layout>(MagnitudeBits(value)));
}

// One of the two nearest; `random` is uniform in 32 bits.
inline Bf16 ToBf16Stochastic(float value, uint32_t random) {
  if (std::isnan(value)) return internal::WithBf16Sign(value, 0x7FC0);
  return internal::WithBf16Sign(value, RoundStochastically<kBf16Layout>(MagnitudeBits(value), random));
}

}  // namespace octet
