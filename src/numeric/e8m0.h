// E8M0, the scale of OCP Microscaling formats (MX 1.0): a power of two from 2^-127 to 2^127, and one NaN (0xFF).
//
//   E8M0 code = ToE8M0(0.3f);      // 0x7D
//   float value = ToFloat(code);   // 0.25
//
// There is no zero and no sign: zero becomes the smallest power, anything negative NaN. The three encoders differ in
// what they do between two powers; which one a recipe asks for stands with the recipe.
#pragma once

#include <algorithm>

#include "numeric/small_float.h"

namespace octet {

struct E8M0 {
  uint8_t bits;
};

inline constexpr E8M0 kE8M0NaN = {0xFF};
inline constexpr E8M0 kE8M0Largest = {0xFE};  // 2^127

inline float ToFloat(E8M0 code) {
  if (code.bits == 0xFF) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, static_cast<int>(code.bits) - 127);
}

// The largest power that is not above the value (MX 1.0, section 6.3 derives block scales so).
inline E8M0 ToE8M0Down(float value) {
  if (std::isnan(value) || value < 0) return kE8M0NaN;
  if (value == 0) return {0};
  if (std::isinf(value)) return kE8M0Largest;
  return {static_cast<uint8_t>(std::clamp(std::ilogb(value) + 127, 0, 254))};
}

// The smallest power that is not below the value, so that value / power never exceeds 1.
inline E8M0 ToE8M0Up(float value) {
  const E8M0 down = ToE8M0Down(value);
  const bool above = down.bits < kE8M0Largest.bits && value > ToFloat(down);
  return {static_cast<uint8_t>(down.bits + (above ? 1 : 0))};
}

// The nearest power; halfway (1.5 times a power) the upper one, as ml_dtypes does from 2^-126 to 2^127. Outside it this
// one goes on rounding to nearest, where ml_dtypes takes 2^-126 for all above 2^-127 and NaN for zero and for what is
// nearer to 2^128.
inline E8M0 ToE8M0(float value) {
  const E8M0 down = ToE8M0Down(value);
  const bool above = down.bits < kE8M0Largest.bits && value >= 1.5f * ToFloat(down);
  return {static_cast<uint8_t>(down.bits + (above ? 1 : 0))};
}

}  // namespace octet
