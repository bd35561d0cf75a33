#include "base/utf8.h"

#include <cstddef>

namespace octet {

Utf8Prefix ClassifyUtf8(std::string_view bytes) {
  const auto byte = [&bytes](size_t index) { return static_cast<uint8_t>(bytes[index]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {.bytes = 1, .valid = true};
  if (first < 0xC2 || first > 0xF4) return {.bytes = 1};
  const uint32_t length = Utf8Length(bytes[0]);
  // The second byte's range is narrower after four first bytes: no overlong forms, no surrogates, nothing past
  // U+10FFFF.
  uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  for (uint32_t index = 1; index < length; ++index) {
    if (index == bytes.size()) return {.bytes = index, .incomplete = true};
    if (byte(index) < low || byte(index) > high) return {.bytes = index};
    low = 0x80;
    high = 0xBF;
  }
  return {.bytes = length, .valid = true};
}

}  // namespace octet
