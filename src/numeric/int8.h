// INT8: symmetric integer codes, -127 .. 127; the value is code * scale, the scale is kept by whoever encodes.
//
//   const float scale = amax / kInt8Max;
//   Int8 code = ToInt8(value / scale);
//   float near_value = ToFloat(code) * scale;
//
// Encoding rounds to nearest, ties to even, saturates, and makes 0 of NaN. It never yields -128, so that codes can be
// negated; decoding takes -128 as it stands, since files of other programs use it.
#pragma once

#include "numeric/integer_code.h"

namespace octet {

struct Int8 {
  int8_t code;  // -128 .. 127
};

inline constexpr int kInt8Max = 127;

inline float ToFloat(Int8 value) { return value.code; }

inline Int8 ToInt8(float value) { return {static_cast<int8_t>(RoundToInteger(value, kInt8Max))}; }

// One of the two nearest; `random` is uniform in 32 bits.
inline Int8 ToInt8Stochastic(float value, uint32_t random) {
  return {static_cast<int8_t>(RoundToIntegerStochastically(value, kInt8Max, random))};
}

}  // namespace octet
