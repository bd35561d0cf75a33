#include "text/utf8.h"

#include <simdjson.h>

namespace octet {

void AppendUtf8(uint32_t code_point, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool IsValidUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

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

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Prefix prefix = ClassifyUtf8(bytes.substr(at));
    out += prefix.valid ? bytes.substr(at, prefix.bytes) : kReplacementCharacter;
    at += prefix.bytes;
  }
  return out;
}

}  // namespace octet
