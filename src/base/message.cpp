#include "base/message.h"

#include <cstdint>

#include "base/cat.h"
#include "base/utf8.h"

namespace octet {
namespace {

constexpr size_t kMostBytes = 4096, kKeptEnd = 2000;

uint8_t ByteAt(std::string_view text, size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : 0; }

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// The C0 controls but newline and tab, DEL, and the C1 controls, which some terminals obey too.
bool IsControl(std::string_view character) {
  const uint8_t first = ByteAt(character, 0);
  if (character.size() == 2) return first == 0xC2 && ByteAt(character, 1) < 0xA0;
  return character.size() == 1 && ((first < 0x20 && first != '\n' && first != '\t') || first == 0x7F);
}

void AppendEscaped(std::string_view bytes, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint8_t byte = ByteAt(bytes, i);
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Prefix prefix = ClassifyUtf8(text.substr(at));
    const std::string_view character = text.substr(at, prefix.bytes);
    if (!prefix.valid || IsControl(character))
      AppendEscaped(character, out);
    else
      out += character;
    at += character.size();
  }
  return out;
}

}  // namespace

std::string SafeMessage(std::string_view text) {
  if (text.size() <= kMostBytes) return Escaped(text);
  size_t head = kKeptEnd, tail = text.size() - kKeptEnd;
  while (head > kKeptEnd - 3 && IsContinuation(ByteAt(text, head))) --head;
  while (tail < text.size() - kKeptEnd + 3 && IsContinuation(ByteAt(text, tail))) ++tail;
  return Cat(Escaped(text.substr(0, head)), " ... ", tail - head, " bytes left out ... ", Escaped(text.substr(tail)));
}

}  // namespace octet
