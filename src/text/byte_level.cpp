#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace octet {
namespace {

constexpr bool StandsForItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<uint16_t, 256> code_points{};
  std::array<int16_t, 512> bytes{};
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.bytes) byte = -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t code_point = StandsForItself(byte) ? byte : next++;
    alphabet.code_points[byte] = static_cast<uint16_t>(code_point);
    alphabet.bytes[code_point] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

uint32_t ByteLevelCodePoint(uint8_t byte) { return kAlphabet.code_points[byte]; }

std::optional<uint8_t> ByteOfByteLevel(uint32_t code_point) {
  if (code_point >= kAlphabet.bytes.size() || kAlphabet.bytes[code_point] < 0) return std::nullopt;
  return static_cast<uint8_t>(kAlphabet.bytes[code_point]);
}

void AppendByteLevel(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) AppendUtf8(ByteLevelCodePoint(static_cast<uint8_t>(byte)), out);
}

std::optional<std::string> BytesOfByteLevel(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (size_t at = 0; at < token.size();) {
    const Utf8Char c = DecodeUtf8(token, at);
    const std::optional<uint8_t> byte = ByteOfByteLevel(c.code_point);
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    at += c.bytes;
  }
  return bytes;
}

}  // namespace octet
