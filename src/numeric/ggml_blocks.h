// The block formats of GGUF files: 32 or 256 weights with their scales in one run of bytes, and how to decode them.
//
//   float values[kGgmlBlockValuesMax];
//   DecodeGgmlBlock(GgmlBlock::kQ4_1, bytes, values);   // reads 20 bytes, writes 32 floats
//
// Arithmetic is float, in the order of the formats' definition (ggml's dequantize_row_*), so results are equal bit for
// bit. The file around the blocks: formats/gguf.h.
#pragma once

#include <cstddef>
#include <string_view>

namespace octet {

enum class GgmlBlock { kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K };

inline constexpr size_t kGgmlBlockValuesMax = 256;
inline constexpr size_t kGgmlBlockCount = 10;

struct GgmlBlockInfo {
  std::string_view name;  // as in GGUF tools: "Q4_K"
  size_t values;          // weights in a block
  size_t bytes;           // bytes of a block
};

GgmlBlockInfo InfoOf(GgmlBlock format);

// Decodes one block: reads InfoOf(format).bytes from `block` (any alignment), writes InfoOf(format).values to `out`.
void DecodeGgmlBlock(GgmlBlock format, const std::byte* block, float* out);

}  // namespace octet
