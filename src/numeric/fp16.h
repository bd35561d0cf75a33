// FP16, IEEE 754 binary16: sign, 5 exponent bits (bias 15), 10 mantissa bits; infinities and NaN.
//
//   Fp16 code = ToFp16(0.1f);      // 0x2E66
//   float value = ToFloat(code);   // 0.0999755859375
//
// Encoding saturates at kFp16Max = 65504, infinity included; NaN stays NaN and keeps its sign. Every code but those of
// infinity and NaN survives a round trip. Shared arithmetic: numeric/small_float.h.
#pragma once

#include "numeric/small_float.h"

namespace octet {

struct Fp16 {
  uint16_t bits;
};

inline constexpr SmallFloat kFp16Layout = {.mantissa_bits = 10, .bias = 15, .largest = 0x7BFF};
inline constexpr float kFp16Max = 65504.0f;

inline float ToFloat(Fp16 code) {
  const uint32_t sign = (code.bits & 0x8000u) << 16;
  const uint32_t magnitude = code.bits & 0x7FFFu;
  // Exponent 31 is infinity, or NaN whose payload moves along and is made quiet.
  if (magnitude > 0x7C00) return std::bit_cast<float>(sign | kFloatInfinity | 0x400000u | (magnitude & 0x3FF) << 13);
  if (magnitude == 0x7C00) return std::bit_cast<float>(sign | kFloatInfinity);
  return std::bit_cast<float>(sign | FloatBits(MagnitudeToFloat<kFp16Layout>(magnitude)));
}

namespace internal {
inline Fp16 WithFp16Sign(float value, uint32_t magnitude) {
  return {static_cast<uint16_t>((IsNegative(value) ? 0x8000u : 0u) | magnitude)};
}
}  // namespace internal

// The nearest FP16, ties to even.
inline Fp16 ToFp16(float value) {
  if (std::isnan(value)) return internal::WithFp16Sign(value, 0x7E00);
  return internal::WithFp16Sign(value, RoundToNearest<kFp16Layout>(MagnitudeBits(value)));
}

// One of the two nearest; `random` is uniform in 32 bits.
inline Fp16 ToFp16Stochastic(float value, uint32_t random) {
  if (std::isnan(value)) return internal::WithFp16Sign(value, 0x7E00);
  return internal::WithFp16Sign(value, RoundStochastically<kFp16Layout>(MagnitudeBits(value), random));
}

}  // namespace octet
