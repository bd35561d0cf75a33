#include "text/charsmap.h"

#include <cstring>

#include "base/counted.h"

namespace octet {
namespace {

uint32_t BaseOf(uint32_t unit) { return unit >> 10 << ((unit & (1u << 9)) >> 6); }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t LabelOf(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
uint32_t ValueOf(uint32_t unit) { return unit & ((1u << 31) - 1); }

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

Result<Charsmap> Charsmap::Parse(std::string_view bytes, std::string_view where) {
  uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof(trie_bytes))
    return Fail(ErrorCode::kCorrupt, where, ": the charsmap has ", Counted(bytes.size(), "byte"));
  std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  bytes.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes > bytes.size() || trie_bytes % 4 != 0 || trie_bytes == 0) {
    return Fail(ErrorCode::kCorrupt, where, ": the charsmap's trie has ", Counted(trie_bytes, "byte"), ", ",
                bytes.size(), " are left");
  }
  Charsmap map;
  map.units_.resize(trie_bytes / 4);
  std::memcpy(map.units_.data(), bytes.data(), trie_bytes);
  map.replacements_ = bytes.substr(trie_bytes);
  return map;
}

std::optional<std::string_view> Charsmap::Find(std::string_view text) const {
  if (units_.empty()) return std::nullopt;
  size_t node = BaseOf(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || LabelOf(units_[node]) != byte) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= BaseOf(unit);
    if (node >= units_.size()) return std::nullopt;
    if (!HasLeaf(unit)) continue;
    const size_t begin = ValueOf(units_[node]);
    if (begin >= replacements_.size()) return std::nullopt;
    return std::string_view(replacements_).substr(begin, replacements_.find('\0', begin) - begin);
  }
  return std::nullopt;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) text += at + i <= bytes.size() ? kBase64[bits >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

}  // namespace octet
