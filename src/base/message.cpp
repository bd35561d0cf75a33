#include "base/message.h"

#include <algorithm>
#include <cstdint>

#include "base/cat.h"

namespace octet {
namespace {

constexpr size_t kMostBytes = 4096, kKeptEnd = 2000;

uint8_t ByteAt(std::string_view text, size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : 0; }

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Bytes of the character at `at`, 0 where none begins there (Unicode 15, table 3-7).
size_t CharacterBytes(std::string_view text, size_t at) {
  const uint8_t first = ByteAt(text, at), second = ByteAt(text, at + 1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !IsContinuation(second)) return 0;
  if (first < 0xE0) return 2;
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  if (!IsContinuation(ByteAt(text, at + 2))) return 0;
  if (first < 0xF0) return 3;
  return IsContinuation(ByteAt(text, at + 3)) ? 4 : 0;
}

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
    const size_t bytes = CharacterBytes(text, at);
    const std::string_view character = text.substr(at, std::max<size_t>(bytes, 1));
    if (bytes == 0 || IsControl(character))
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
