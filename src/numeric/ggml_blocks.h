// The block formats of GGUF files: 32 or 256 weights with their scales in one run of bytes, and how to decode them.
//
//   float values[kGgmlBlockValuesMax];
//   DecodeGgmlBlock(GgmlBlock::kQ4_1, bytes, values);   // reads 20 bytes, writes 32 floats
//
// Arithmetic is float, in the order of the formats' definition (ggml's dequantize_row_*), so results are equal bit for
// bit. The file around the blocks: formats/gguf.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace octet {

enum class GgmlBlock { kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K, kMxfp4 };

inline constexpr size_t kGgmlBlockValuesMax = 256;
inline constexpr size_t kGgmlBlockCount = 11;

struct GgmlBlockInfo {
  std::string_view name;  // as in GGUF tools: "Q4_K"
  size_t values;          // weights in a block
  size_t bytes;           // bytes of a block
};

GgmlBlockInfo InfoOf(GgmlBlock format);

// Decodes one block: reads InfoOf(format).bytes from `block` (any alignment), writes InfoOf(format).values to `out`.
void DecodeGgmlBlock(GgmlBlock format, const std::byte* block, float* out);

inline constexpr size_t kGgmlCodes = 32;  // of a block below

// A block of Q4_0 or Q4_1 before it is decoded: weight i is codes[i] * scale + minimum. Codes of Q4_0 are -8 to 7 and
// its minimum is 0, those of Q4_1 are 0 to 15.
struct GgmlIntegers {
  std::array<int8_t, kGgmlCodes> codes = {};
  float scale = 0;  // an FP16 value, of either sign, and so is the minimum
  float minimum = 0;
};
GgmlIntegers ReadGgmlIntegers(GgmlBlock format, const std::byte* block);

// A block of MXFP4: codes in E2M1 and their power of two in E8M0.
struct GgmlMxfp4 {
  std::array<uint8_t, kGgmlCodes> codes = {};
  uint8_t power = 0;
};
GgmlMxfp4 ReadGgmlMxfp4(const std::byte* block);

}  // namespace octet
