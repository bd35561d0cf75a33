#include "formats/packed_integers.h"

#include <algorithm>

namespace octet {
namespace {

constexpr size_t kWordBytes = 4;

size_t RowsOf(size_t codes, size_t columns) { return columns == 0 ? 0 : codes / columns; }

}  // namespace

void PackIntegers(std::span<const int8_t> codes, size_t columns, int bits, std::span<uint32_t> words) {
  const size_t in_word = 32 / static_cast<size_t>(bits), row_words = PackedWords(columns, bits);
  const int offset = 1 << (bits - 1);
  std::fill(words.begin(), words.end(), 0);
  for (size_t row = 0; row < RowsOf(codes.size(), columns); ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const auto code = static_cast<uint32_t>(codes[row * columns + column] + offset);
      words[row * row_words + column / in_word] |= code << (column % in_word * static_cast<size_t>(bits));
    }
  }
}

void UnpackIntegers(std::span<const std::byte> words, size_t columns, int bits, std::span<int8_t> codes) {
  const size_t row_bytes = PackedWords(columns, bits) * kWordBytes;
  const int offset = 1 << (bits - 1);
  for (size_t row = 0; row < RowsOf(codes.size(), columns); ++row) {
    const std::byte* from = words.data() + row * row_bytes;
    int8_t* to = codes.data() + row * columns;
    for (size_t column = 0; column < columns; ++column) {
      const int byte = std::to_integer<int>(from[bits == 4 ? column / 2 : column]);
      const int code = bits == 8 ? byte : column % 2 == 0 ? byte & 15 : byte >> 4;
      to[column] = static_cast<int8_t>(code - offset);
    }
  }
}

std::optional<int> BitsOfPacked(uint64_t words_in_row, uint64_t columns) {
  for (const int bits : {4, 8}) {
    if (words_in_row == PackedWords(columns, bits)) return bits;
  }
  return std::nullopt;
}

}  // namespace octet
