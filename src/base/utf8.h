// Which bytes are a character of UTF-8: for whoever shows, checks or cuts text that may be anything.
//
//   const Utf8Prefix prefix = ClassifyUtf8(bytes);
//   if (!prefix.valid) ...  // the first prefix.bytes are no character
#pragma once

#include <cstdint>
#include <string_view>

namespace octet {

// Length of a character by its first byte.
inline uint32_t Utf8Length(char first) {
  const auto byte = static_cast<uint8_t>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// What a stretch of bytes means to a reader that must not fail.
struct Utf8Prefix {
  uint32_t bytes = 0;       // of the character, or of the malformed sequence
  bool valid = false;       // a whole character
  bool incomplete = false;  // more bytes could still make it a character
};

// Classifies the start of non-empty bytes by the rule of maximal subparts (Unicode 15, table 3-7 and section 3.9): what
// Python's errors="replace" and Rust's from_utf8_lossy follow.
Utf8Prefix ClassifyUtf8(std::string_view bytes);

}  // namespace octet
