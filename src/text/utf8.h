// UTF-8, one character at a time.
//
//   for (size_t at = 0; at < text.size();) {
//     const Utf8Char c = DecodeUtf8(text, at);
//     at += c.bytes;
//   }
//
// DecodeUtf8 wants text that IsValidUtf8 has approved or ReplaceInvalidUtf8 has mended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace octet {

struct Utf8Char {
  uint32_t code_point = 0;
  uint32_t bytes = 0;
};

inline Utf8Char DecodeUtf8(const char* at) {
  const auto byte = [at](int index) { return static_cast<uint32_t>(static_cast<uint8_t>(at[index])); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (byte(0) < 0xF0) return {(byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

inline Utf8Char DecodeUtf8(std::string_view text, size_t at) { return DecodeUtf8(text.data() + at); }

// Where the character that ends before `at` begins. Requires at > 0.
inline size_t PreviousUtf8(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

void AppendUtf8(uint32_t code_point, std::string& out);

bool IsValidUtf8(std::string_view text);

// Quicker than IsValidUtf8 for a few bytes.
inline bool IsAscii(std::string_view text) {
  uint8_t bits = 0;
  for (const char c : text) bits |= static_cast<uint8_t>(c);
  return bits < 0x80;
}

// Each malformed sequence becomes one U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view bytes);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace octet
