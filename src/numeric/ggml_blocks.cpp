#include "numeric/ggml_blocks.h"

#include <cmath>
#include <cstdint>
#include <iterator>

#include "numeric/fp16.h"

namespace octet {
namespace {

// Bytes of a block, read in little-endian order whatever the machine.
class Reader {
 public:
  explicit Reader(const std::byte* data) : data_(data) {}
  uint32_t Byte(size_t i) const { return std::to_integer<uint32_t>(data_[i]); }
  float Signed(size_t i) const { return static_cast<float>(static_cast<int8_t>(data_[i])); }
  float Half(size_t i) const { return ToFloat(Fp16{static_cast<uint16_t>(Byte(i) | Byte(i + 1) << 8)}); }
  uint32_t Word(size_t i) const { return Byte(i) | Byte(i + 1) << 8 | Byte(i + 2) << 16 | Byte(i + 3) << 24; }

 private:
  const std::byte* data_;
};

// Blocks of 32: byte i holds weight i in its low nibble and weight i + 16 in its high one.
uint32_t SplitNibble(const Reader& block, size_t codes, size_t i) {
  return i < 16 ? block.Byte(codes + i) & 15 : block.Byte(codes + i - 16) >> 4;
}

void DecodeQ4_0(const Reader& block, float* out) {
  const float scale = block.Half(0);
  for (size_t i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<int>(SplitNibble(block, 2, i)) - 8);
}

void DecodeQ4_1(const Reader& block, float* out) {
  const float scale = block.Half(0), minimum = block.Half(2);
  for (size_t i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(SplitNibble(block, 4, i)) + minimum;
}

void DecodeQ5_0(const Reader& block, float* out) {
  const float scale = block.Half(0);
  const uint32_t high = block.Word(2);
  for (size_t i = 0; i < 32; ++i) {
    const uint32_t code = SplitNibble(block, 6, i) | (high >> i & 1) << 4;
    out[i] = scale * static_cast<float>(static_cast<int>(code) - 16);
  }
}

void DecodeQ5_1(const Reader& block, float* out) {
  const float scale = block.Half(0), minimum = block.Half(2);
  const uint32_t high = block.Word(4);
  for (size_t i = 0; i < 32; ++i) {
    const uint32_t code = SplitNibble(block, 8, i) | (high >> i & 1) << 4;
    out[i] = scale * static_cast<float>(code) + minimum;
  }
}

void DecodeQ8_0(const Reader& block, float* out) {
  const float scale = block.Half(0);
  for (size_t i = 0; i < 32; ++i) out[i] = scale * block.Signed(2 + i);
}

// 2-bit codes of Q2_K and Q3_K: 128 weights in 32 bytes, weight 32 * k + i in bits 2k of byte i.
uint32_t TwoBits(const Reader& block, size_t codes, size_t i) {
  return block.Byte(codes + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
}

// Scales [16] of 4 + 4 bits, codes [64], d, dmin.
void DecodeQ2_K(const Reader& block, float* out) {
  const float d = block.Half(80), dmin = block.Half(82);
  for (size_t i = 0; i < 256; ++i) {
    const uint32_t packed = block.Byte(i / 16);
    const float scale = d * static_cast<float>(packed & 15), minimum = dmin * static_cast<float>(packed >> 4);
    out[i] = scale * static_cast<float>(TwoBits(block, 16, i)) - minimum;
  }
}

// Scale j of Q3_K, 6 bits less 32: four low bits in bytes 0..7, two high ones in bytes 8..11.
int ScaleOfQ3_K(const Reader& block, size_t scales, size_t j) {
  const uint32_t low = block.Byte(scales + j % 8) >> (j / 8 * 4) & 15;
  const uint32_t high = block.Byte(scales + 8 + j % 4) >> (j / 4 * 2) & 3;
  return static_cast<int>(low | high << 4) - 32;
}

// High bits [32], codes [64], scales [12], d.
void DecodeQ3_K(const Reader& block, float* out) {
  const float d = block.Half(108);
  for (size_t i = 0; i < 256; ++i) {
    const float scale = d * static_cast<float>(ScaleOfQ3_K(block, 96, i / 16));
    const uint32_t high = block.Byte(i % 32) >> (i / 32) & 1;
    // A set high bit means that nothing is taken off.
    out[i] = scale * static_cast<float>(static_cast<int>(TwoBits(block, 32, i)) - (high ? 0 : 4));
  }
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

// Scale and minimum j of Q4_K and Q5_K, 6 bits each in 12 bytes.
ScaleAndMinimum UnpackScale(const Reader& block, size_t scales, size_t j) {
  if (j < 4) {
    return {static_cast<float>(block.Byte(scales + j) & 63), static_cast<float>(block.Byte(scales + 4 + j) & 63)};
  }
  const uint32_t low = block.Byte(scales + 4 + j);
  return {static_cast<float>((low & 15) | (block.Byte(scales + j - 4) >> 6) << 4),
          static_cast<float>(low >> 4 | (block.Byte(scales + j) >> 6) << 4)};
}

// 4-bit codes of Q4_K and Q5_K: 64 weights in 32 bytes, the first 32 in the low nibbles.
uint32_t FourBits(const Reader& block, size_t codes, size_t i) {
  return block.Byte(codes + i / 64 * 32 + i % 32) >> (i % 64 / 32 * 4) & 15;
}

// d, dmin, scales [12], codes [128].
void DecodeQ4_K(const Reader& block, float* out) {
  const float d = block.Half(0), dmin = block.Half(2);
  for (size_t j = 0; j < 8; ++j) {
    const ScaleAndMinimum packed = UnpackScale(block, 4, j);
    const float scale = d * packed.scale, minimum = dmin * packed.minimum;
    for (size_t i = 32 * j; i < 32 * j + 32; ++i) out[i] = scale * static_cast<float>(FourBits(block, 16, i)) - minimum;
  }
}

// d, dmin, scales [12], high bits [32], codes [128].
void DecodeQ5_K(const Reader& block, float* out) {
  const float d = block.Half(0), dmin = block.Half(2);
  for (size_t j = 0; j < 8; ++j) {
    const ScaleAndMinimum packed = UnpackScale(block, 4, j);
    const float scale = d * packed.scale, minimum = dmin * packed.minimum;
    for (size_t i = 32 * j; i < 32 * j + 32; ++i) {
      const uint32_t code = FourBits(block, 48, i) | (block.Byte(16 + i % 32) >> j & 1) << 4;
      out[i] = scale * static_cast<float>(code) - minimum;
    }
  }
}

// Low bits [128], high bits [64], signed scales [16], d. 128 weights: 64 bytes of low and 32 bytes of high bits.
void DecodeQ6_K(const Reader& block, float* out) {
  const float d = block.Half(208);
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128, within = i % 128;
    const uint32_t low = block.Byte(half * 64 + within % 64) >> (within / 64 * 4) & 15;
    const uint32_t high = block.Byte(128 + half * 32 + within % 32) >> (within / 32 * 2) & 3;
    const float scale = d * block.Signed(192 + i / 16);
    out[i] = scale * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  }
}

// A power of two, codes [16]. ggml keeps twice the E2M1 values beside half the power, and knows no NaN.
void DecodeMxfp4(const Reader& block, float* out) {
  constexpr int kTwice[] = {0, 1, 2, 3, 4, 6, 8, 12};
  const float half = std::ldexp(1.0F, static_cast<int>(block.Byte(0)) - 128);
  for (size_t i = 0; i < 32; ++i) {
    const uint32_t code = SplitNibble(block, 1, i);
    out[i] = half * static_cast<float>(code < 8 ? kTwice[code] : -kTwice[code - 8]);
  }
}

struct Entry {
  GgmlBlockInfo info;
  void (*decode)(const Reader& block, float* out);
};

// In the order of GgmlBlock.
constexpr Entry kEntries[] = {
    {{"Q4_0", 32, 18}, DecodeQ4_0},   {{"Q4_1", 32, 20}, DecodeQ4_1},   {{"Q5_0", 32, 22}, DecodeQ5_0},
    {{"Q5_1", 32, 24}, DecodeQ5_1},   {{"Q8_0", 32, 34}, DecodeQ8_0},   {{"Q2_K", 256, 84}, DecodeQ2_K},
    {{"Q3_K", 256, 110}, DecodeQ3_K}, {{"Q4_K", 256, 144}, DecodeQ4_K}, {{"Q5_K", 256, 176}, DecodeQ5_K},
    {{"Q6_K", 256, 210}, DecodeQ6_K}, {{"MXFP4", 32, 17}, DecodeMxfp4},
};
static_assert(std::size(kEntries) == kGgmlBlockCount);

}  // namespace

GgmlBlockInfo InfoOf(GgmlBlock format) { return kEntries[static_cast<size_t>(format)].info; }

void DecodeGgmlBlock(GgmlBlock format, const std::byte* block, float* out) {
  kEntries[static_cast<size_t>(format)].decode(Reader(block), out);
}

GgmlIntegers ReadGgmlIntegers(GgmlBlock format, const std::byte* block) {
  const Reader reader(block);
  const bool has_minimum = format == GgmlBlock::kQ4_1;
  GgmlIntegers integers{.scale = reader.Half(0), .minimum = has_minimum ? reader.Half(2) : 0.0F};
  for (size_t i = 0; i < kGgmlCodes; ++i) {
    const uint32_t stored = SplitNibble(reader, has_minimum ? 4 : 2, i);
    integers.codes[i] = static_cast<int8_t>(static_cast<int>(stored) - (has_minimum ? 0 : 8));
  }
  return integers;
}

GgmlMxfp4 ReadGgmlMxfp4(const std::byte* block) {
  const Reader reader(block);
  GgmlMxfp4 mx{.power = static_cast<uint8_t>(reader.Byte(0))};
  for (size_t i = 0; i < kGgmlCodes; ++i) mx.codes[i] = static_cast<uint8_t>(SplitNibble(reader, 1, i));
  return mx;
}

}  // namespace octet
