// Rounding a float to an integer code of few bits; the formats are numeric/int8.h and numeric/int4.h.
#pragma once

#include <cmath>
#include <cstdint>

namespace octet {

// The nearest integer in -limit .. limit, ties to even; NaN becomes 0. Doesn't depend on the rounding mode of the CPU.
inline int RoundToInteger(float value, int limit) {
  if (std::isnan(value)) return 0;
  const float bound = static_cast<float>(limit);
  if (std::fabs(value) >= bound) return value < 0 ? -limit : limit;
  const float below = std::floor(value);
  const float rest = value - below;
  const int code = static_cast<int>(below);
  if (rest == 0.5f) return code + (code & 1);
  return rest > 0.5f ? code + 1 : code;
}

// The integer below or above, the latter with a probability equal to the distance from the former (to 24 bits).
inline int RoundToIntegerStochastically(float value, int limit, uint32_t random) {
  if (std::isnan(value)) return 0;
  const float bound = static_cast<float>(limit);
  if (std::fabs(value) >= bound) return value < 0 ? -limit : limit;
  const float below = std::floor(value);
  const float threshold = static_cast<float>(random >> 8) * 0x1p-24f;
  return static_cast<int>(below) + (value - below > threshold ? 1 : 0);
}

}  // namespace octet
