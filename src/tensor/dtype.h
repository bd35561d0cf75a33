// Element types of a tensor in a file, as safetensors has them.
//
//   DType dtype = *DTypeFromName("F8_E4M3");
//   size_t bytes = 576 * 576 * ByteSize(dtype);
//
// What the bits mean: numeric/. Types of GGUF blocks are not here: they have no size per element
// (numeric/ggml_blocks.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace octet {

enum class DType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBf16,
  kE4M3,
  kE5M2,
  kE8M0,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
};

inline constexpr size_t kDTypeCount = 16;

// Bytes of one element: 1, 2, 4 or 8.
size_t ByteSize(DType dtype);

// The name that safetensors uses: "BF16", "F8_E4M3", "I64".
std::string_view Name(DType dtype);

// The inverse of Name; nothing for a name that isn't one.
std::optional<DType> DTypeFromName(std::string_view name);

// Floats of any width: what a weight can be decoded from by itself. Integers and E8M0 mean something only beside
// scales.
bool IsFloat(DType dtype);

// Decodes `count` little-endian elements to float; any alignment. Integers above 2^24 and F64 round to nearest; true
// is 1.
void DecodeElements(DType dtype, const std::byte* from, size_t count, float* to);

}  // namespace octet
