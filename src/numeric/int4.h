// INT4: symmetric integer codes, -7 .. 7; the value is code * scale, the scale is kept by whoever encodes.
//
//   const float scale = amax / kInt4Max;
//   Int4 code = ToInt4(value / scale);
//   float near_value = ToFloat(code) * scale;
//
// Encoding rounds to nearest, ties to even, saturates, and makes 0 of NaN. It never yields -8, so that codes can be
// negated; decoding takes -8 as it stands, since files of other programs use it.
#pragma once

#include "numeric/integer_code.h"

namespace octet {

struct Int4 {
  int8_t code;  // -8 .. 7, sign-extended; how two share a byte is the layouts' matter
};

inline constexpr int kInt4Max = 7;

inline float ToFloat(Int4 value) { return value.code; }

inline Int4 ToInt4(float value) { return {static_cast<int8_t>(RoundToInteger(value, kInt4Max))}; }

// One of the two nearest; `random` is uniform in 32 bits.
inline Int4 ToInt4Stochastic(float value, uint32_t random) {
  return {static_cast<int8_t>(RoundToIntegerStochastically(value, kInt4Max, random))};
}

}  // namespace octet
