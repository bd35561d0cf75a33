// FP8, OCP 8-bit floating point (OFP8 1.0): E4M3 ("fn": no infinity) for weights and activations, E5M2 for gradients.
//
//   E4M3 code = ToE4M3(500.0f);    // 0x7E: saturates
//   float value = ToFloat(code);   // 448
//
// E4M3 has one NaN per sign (0x7F, 0xFF), E5M2 infinities (0x7C, 0xFC) and three NaN per sign. Encoding saturates at
// the largest finite value, infinity included; NaN stays NaN and keeps its sign. Scales that bring values into range
// are the recipes' matter. Shared arithmetic: numeric/small_float.h.
#pragma once

#include "numeric/small_float.h"

namespace octet {

struct E4M3 {
  uint8_t bits;
};
struct E5M2 {
  uint8_t bits;
};

inline constexpr SmallFloat kE4M3Layout = {.mantissa_bits = 3, .bias = 7, .largest = 0x7E};
inline constexpr SmallFloat kE5M2Layout = {.mantissa_bits = 2, .bias = 15, .largest = 0x7B};
inline constexpr float kE4M3Max = 448.0f;
inline constexpr float kE5M2Max = 57344.0f;
inline constexpr float kE4M3MinNormal = 0.015625f;              // 2^-6
inline constexpr float kE4M3MinSubnormal = 0.001953125f;        // 2^-9
inline constexpr float kE5M2MinNormal = 6.103515625e-05f;       // 2^-14
inline constexpr float kE5M2MinSubnormal = 1.52587890625e-05f;  // 2^-16

inline float ToFloat(E4M3 code) {
  const uint32_t magnitude = code.bits & 0x7Fu;
  if (magnitude == 0x7F) return std::numeric_limits<float>::quiet_NaN();
  const float value = MagnitudeToFloat<kE4M3Layout>(magnitude);
  return code.bits & 0x80 ? -value : value;
}

inline float ToFloat(E5M2 code) {
  const uint32_t magnitude = code.bits & 0x7Fu;
  if (magnitude > 0x7C) return std::numeric_limits<float>::quiet_NaN();
  const float value =
      magnitude == 0x7C ? std::numeric_limits<float>::infinity() : MagnitudeToFloat<kE5M2Layout>(magnitude);
  return code.bits & 0x80 ? -value : value;
}

namespace internal {
inline uint8_t WithFp8Sign(float value, uint32_t magnitude) {
  return static_cast<uint8_t>((IsNegative(value) ? 0x80u : 0u) | magnitude);
}
}  // namespace internal

// The nearest code, ties to even.
inline E4M3 ToE4M3(float value) {
  if (std::isnan(value)) return {internal::WithFp8Sign(value, 0x7F)};
  return {internal::WithFp8Sign(value, RoundToNearest<kE4M3Layout>(MagnitudeBits(value)))};
}
inline E5M2 ToE5M2(float value) {
  if (std::isnan(value)) return {internal::WithFp8Sign(value, 0x7E)};
  return {internal::WithFp8Sign(value, RoundToNearest<kE5M2Layout>(MagnitudeBits(value)))};
}

// One of the two nearest; `random` is uniform in 32 bits.
inline E4M3 ToE4M3Stochastic(float value, uint32_t random) {
  if (std::isnan(value)) return {internal::WithFp8Sign(value, 0x7F)};
  return {internal::WithFp8Sign(value, RoundStochastically<kE4M3Layout>(MagnitudeBits(value), random))};
}
inline E5M2 ToE5M2Stochastic(float value, uint32_t random) {
  if (std::isnan(value)) return {internal::WithFp8Sign(value, 0x7E)};
  return {internal::WithFp8Sign(value, RoundStochastically<kE5M2Layout>(MagnitudeBits(value), random))};
}

}  // namespace octet
