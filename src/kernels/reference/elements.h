// Reading and writing single elements of packed matrices, and the steps that every GEMM is made of.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/kernel_table.h"
#include "numeric/bf16.h"
#include "numeric/e2m1.h"
#include "numeric/fp16.h"
#include "numeric/fp8.h"

// std::fma is a call of some nanoseconds where the compiler can't count on the instruction. g++ builds a function with
// this mark twice and takes the CPU's at the start of the program; fma rounds once either way, so the numbers are
// equal. The choice is made before a sanitizer is ready for it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define OCTET_FMA_CLONE __attribute__((flatten, target_clones("arch=x86-64-v3", "default")))
#else
#define OCTET_FMA_CLONE
#endif

namespace octet::kernels::reference {

template <class T>
T LoadAs(const void* base, size_t offset) {
  T out;
  std::memcpy(&out, static_cast<const std::byte*>(base) + offset, sizeof(T));
  return out;
}

template <class T>
void StoreAs(void* base, size_t offset, T value) {
  std::memcpy(static_cast<std::byte*>(base) + offset, &value, sizeof(T));
}

// Code (column, k) of packed integer weights, less its zero point; of NVFP4 twice the code's value.
template <WeightFormat format>
int CodeAt(const void* weights, size_t depth, size_t column, size_t k) {
  const auto stored = LoadAs<uint8_t>(weights, PackedOffset(format, depth, column, k));
  if constexpr (format == WeightFormat::kInt8) return stored - 128;
  const int code = IsUpperHalf(format, k) ? stored >> 4 : stored & 15;
  if constexpr (format == WeightFormat::kNvfp4) return static_cast<int>(2 * ToFloat(E2M1{static_cast<uint8_t>(code)}));
  if constexpr (!HasZeros(format)) return code - 8;
  return code - LoadAs<uint8_t>(weights, PackedZeroOffset(format, depth, column, k));
}

// Scale of the code that CodeAt gives: INT4 weights hold it, and NVFP4 its double.
template <WeightFormat format>
float ScaleAt(const void* weights, size_t depth, size_t column, size_t k) {
  if constexpr (format == WeightFormat::kNvfp4)
    return ToFloat(LoadAs<E4M3>(weights, PackedBlockScaleOffset(depth, column, k))) / 2;
  return ToFloat(LoadAs<Fp16>(weights, PackedScaleOffset(format, depth, column, k)));
}

// Element (column, k) of packed weights; of INT4 and of E4M3 in blocks without its scale.
template <WeightFormat format>
float WeightAt(const void* weights, size_t depth, size_t column, size_t k) {
  const size_t offset = PackedOffset(format, depth, column, k);
  if constexpr (format == WeightFormat::kF32) return LoadAs<float>(weights, offset);
  if constexpr (format == WeightFormat::kBf16) return ToFloat(LoadAs<Bf16>(weights, offset));
  if constexpr (format == WeightFormat::kE4M3 || format == WeightFormat::kE4M3Block)
    return ToFloat(LoadAs<E4M3>(weights, offset));
  if constexpr (format == WeightFormat::kNvfp4) {
    const auto codes = LoadAs<uint8_t>(weights, offset);
    const E2M1 code{static_cast<uint8_t>(IsUpperHalf(format, k) ? codes >> 4 : codes & 15)};
    return ToFloat(code) * ToFloat(LoadAs<E4M3>(weights, PackedBlockScaleOffset(depth, column, k)));
  }
  if constexpr (IsInteger(format)) return static_cast<float>(CodeAt<format>(weights, depth, column, k));
}

// Byte offset of element (row, k) of a block of `block_rows` packed activation rows.
constexpr size_t ActivationOffset(ActivationFormat format, size_t block_rows, size_t row, size_t k) {
  return format == ActivationFormat::kF32 ? (k * block_rows + row) * 4 : (k / 2 * block_rows + row) * 4 + k % 2 * 2;
}

// Byte offset of the start value of (row, group) of a block of int8 codes; those of the group's codes begin one word
// of all rows further (`words` of NVFP4 activations, whose scale follows the start value), and k counts them in the
// order of Int8Place.
constexpr size_t StartOffset(size_t group_depth, size_t block_rows, size_t row, size_t group, size_t words = 1) {
  return (group * (words + group_depth / 4) * block_rows + row) * 4;
}
constexpr size_t Int8Offset(size_t group_depth, size_t block_rows, size_t row, size_t k, size_t words = 1) {
  const size_t in_group = k % group_depth;
  return StartOffset(group_depth, block_rows, row, k / group_depth, words) + (words + in_group / 4) * block_rows * 4 +
         in_group % 4;
}

// vdpbf16ps treats denormals as zeros of their sign, coming in and going out.
inline float Flush(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }

// sum + a0 * w0 + a1 * w1 of BF16 pairs as vdpbf16ps computes it: the odd element enters first, each step rounds once.
inline float DotPair(float a0, float a1, float w0, float w1, float sum) {
  const float odd = Flush(std::fma(Flush(a1), Flush(w1), Flush(sum)));
  return Flush(std::fma(Flush(a0), Flush(w0), odd));
}

// What follows the sums of a column in the output.
inline void ScaleColumn(const GemmArgs& args, size_t column) {
  for (size_t row = 0; row < args.rows; ++row) {
    float& out = args.out[row * args.out_stride + column];
    if (args.column_scales != nullptr) out *= args.column_scales[column];
    if (args.row_scales != nullptr) out *= args.row_scales[row];
    if (args.bias != nullptr) out += args.bias[column];
  }
}

}  // namespace octet::kernels::reference
