// SentencePiece's precompiled normalization rules: a double-array trie from character sequences to replacements.
//
//   Charsmap map = OCTET_TRY(Charsmap::Parse(bytes, where));
//   std::optional<std::string_view> replacement = map.Find("\uFF21");
//
// Layout: uint32 size of the trie in bytes, the trie's units, then the replacements, each ended by a zero byte.
// Source: Yata, darts-clone; units as in SentencePiece's normalizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet {

class Charsmap {
 public:
  static Result<Charsmap> Parse(std::string_view bytes, std::string_view where);

  // Replacement of the shortest prefix of `text` that has one, as Hugging Face's reader of these maps looks up.
  std::optional<std::string_view> Find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

// Bytes of a base64 text (RFC 4648, padding optional); nothing where it is malformed.
std::optional<std::string> DecodeBase64(std::string_view text);
std::string EncodeBase64(std::string_view bytes);

}  // namespace octet
