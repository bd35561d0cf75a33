// Arithmetic on sizes that came from a file: every sum and product says when it leaves 64 bits.
#pragma once

#include <cstdint>
#include <optional>

namespace octet {

inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<uint64_t> CheckedMultiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

inline constexpr uint64_t RoundUp(uint64_t size, uint64_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}
inline constexpr uint64_t CeilDivide(uint64_t size, uint64_t divisor) { return (size + divisor - 1) / divisor; }

}  // namespace octet
