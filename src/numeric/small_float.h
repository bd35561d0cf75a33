// Floats with fewer bits: how any of them is read and rounded. The formats themselves are one header each
// (numeric/bf16.h, fp16.h, fp8.h, e2m1.h); this is the arithmetic that they share.
//
//   constexpr SmallFloat kLayout = {.mantissa_bits = 3, .bias = 7, .largest = 0x7E};
//   uint32_t code = RoundToNearest<kLayout>(0x3F800000);   // 1.0f: 0x38
//
// Everything here works on magnitudes, without the sign. Rounding saturates: whatever lies beyond the largest finite
// value, infinity included, becomes the largest finite value.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace octet {

// A format is a mantissa width, an exponent bias and the code of its largest finite magnitude.
struct SmallFloat {
  int mantissa_bits;
  int bias;
  uint32_t largest;
};

inline constexpr uint32_t kFloatSign = 0x80000000u;
inline constexpr uint32_t kFloatInfinity = 0x7F800000u;

inline uint32_t FloatBits(float value) { return std::bit_cast<uint32_t>(value); }
inline uint32_t MagnitudeBits(float value) { return FloatBits(value) & ~kFloatSign; }
inline bool IsNegative(float value) { return (FloatBits(value) & kFloatSign) != 0; }

// 2^exponent as a float, for exponents of normal floats: -126 .. 127.
inline constexpr float PowerOfTwo(int exponent) {
  return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

// Value of a finite magnitude code; exact, since every format here fits into a float.
template <SmallFloat kLayout>
inline float MagnitudeToFloat(uint32_t code) {
  const int exponent = static_cast<int>(code >> kLayout.mantissa_bits);
  const uint32_t mantissa = code & ((1u << kLayout.mantissa_bits) - 1);
  if (exponent == 0) return std::ldexp(static_cast<float>(mantissa), 1 - kLayout.bias - kLayout.mantissa_bits);
  const uint32_t float_exponent = static_cast<uint32_t>(exponent - kLayout.bias + 127);
  return std::bit_cast<float>(float_exponent << 23 | mantissa << (23 - kLayout.mantissa_bits));
}

// A float's magnitude in the units of the format: the code below or at it is `floor` + (significand >> shift), and the
// bits that are shifted out say how far above it the value lies.
struct ScaledMagnitude {
  uint64_t significand;
  uint32_t floor;
  int shift;  // 1 .. 32
};

template <SmallFloat kLayout>
inline ScaledMagnitude ScaleMagnitude(uint32_t magnitude_bits) {
  constexpr int kMinExponent = 1 - kLayout.bias;
  const int biased = static_cast<int>(magnitude_bits >> 23);
  const int exponent = (biased == 0 ? 1 : biased) - 127;
  const uint32_t significand = (magnitude_bits & 0x7FFFFFu) | (biased == 0 ? 0u : 0x800000u);
  // Below the smallest normal value all codes have one spacing, so the shift grows.
  const int below = exponent < kMinExponent ? kMinExponent - exponent : 0;
  const int shift = 23 - kLayout.mantissa_bits + below;
  const uint32_t floor = static_cast<uint32_t>(exponent + below - kMinExponent) << kLayout.mantissa_bits;
  // Random numbers have 32 bits, and so has what is shifted out: the significand's last bits go where it would be more.
  if (shift > 32) return {shift < 64 ? uint64_t{significand} >> (shift - 32) : 0, floor, 32};
  return {significand, floor, shift};
}

inline uint32_t Saturate(uint64_t code, uint32_t largest) {
  return code > largest ? largest : static_cast<uint32_t>(code);
}

// Code of the nearest value; halfway between two, the one with the even code. Not for NaN.
template <SmallFloat kLayout>
inline uint32_t RoundToNearest(uint32_t magnitude_bits) {
  if (magnitude_bits >= kFloatInfinity) return kLayout.largest;
  const ScaledMagnitude scaled = ScaleMagnitude<kLayout>(magnitude_bits);
  const uint64_t odd = (scaled.significand >> scaled.shift) & 1;
  const uint64_t half = uint64_t{1} << (scaled.shift - 1);
  // A carry out of the mantissa lands in the exponent field, which is the next code as it should be.
  const uint64_t rounded = (scaled.significand + half - 1 + odd) >> scaled.shift;
  return Saturate(scaled.floor + rounded, kLayout.largest);
}

// Code of one of the two neighbours, the upper with a probability equal to the distance from the lower (to 32 bits)
// over uniformly distributed `random`; a value of the format stays itself. Not for NaN.
template <SmallFloat kLayout>
inline uint32_t RoundStochastically(uint32_t magnitude_bits, uint32_t random) {
  if (magnitude_bits >= kFloatInfinity) return kLayout.largest;
  const ScaledMagnitude scaled = ScaleMagnitude<kLayout>(magnitude_bits);
  const uint64_t addend = random >> (32 - scaled.shift);
  return Saturate(scaled.floor + ((scaled.significand + addend) >> scaled.shift), kLayout.largest);
}

}  // namespace octet
