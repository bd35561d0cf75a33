// The alphabet in which byte-level vocabularies spell bytes: printable Latin-1 stands for itself, the other 68 bytes
// are U+0100 and on (Radford et al. 2019, GPT-2's encoder). A space is U+0120.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octet {

// Code point that spells a byte.
uint32_t ByteLevelCodePoint(uint8_t byte);

// The byte that a code point spells.
std::optional<uint8_t> ByteOfByteLevel(uint32_t code_point);

// Appends the bytes' spelling.
void AppendByteLevel(std::string_view bytes, std::string& out);

// The bytes that a token spells; nothing where a character is outside the alphabet. Requires valid UTF-8.
std::optional<std::string> BytesOfByteLevel(std::string_view token);

}  // namespace octet
