// Integer codes as compressed-tensors' format pack-quantized stores them: a matrix [rows, columns] of 4 or 8 bits an
// element becomes int32 words [rows, ceil(columns * bits / 32)], each code as code + 2^(bits - 1), the first of a row
// in the lowest bits. What a row's last word has left over is zero.
//
//   std::vector<uint32_t> words(rows * PackedWords(columns, 4));
//   PackIntegers(codes, columns, 4, words);
//   UnpackIntegers(std::as_bytes(std::span(words)), columns, 4, codes);
//
// The tensors around it: docs/formats/compressed_tensors.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/tensor_source.h"

namespace octet {

// Words of a row. bits is 4 or 8; cannot overflow.
constexpr uint64_t PackedWords(uint64_t columns, int bits) {
  const uint64_t in_word = 32 / static_cast<uint64_t>(bits);
  return columns / in_word + (columns % in_word == 0 ? 0 : 1);
}

// codes [rows, columns] in -2^(bits - 1) .. 2^(bits - 1) - 1; words [rows, PackedWords(columns, bits)].
void PackIntegers(std::span<const int8_t> codes, size_t columns, int bits, std::span<uint32_t> words);

// The inverse; the bytes are little-endian words of whole rows, of any alignment. Every byte is a code: cannot fail.
void UnpackIntegers(std::span<const std::byte> words, size_t columns, int bits, std::span<int8_t> codes);

// The bits of a code where `words_in_row` words hold `columns` codes; nothing where neither 4 nor 8 fits.
std::optional<int> BitsOfPacked(uint64_t words_in_row, uint64_t columns);

}  // namespace octet
