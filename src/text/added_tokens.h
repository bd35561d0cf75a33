// Finding added tokens in a text: the tokens that stand outside the model, special ones among them.
//
//   AddedTokenMatcher matcher(tokens);
//   matcher.Split(text, trust, parse_special, sections);
//
// At each place the longest token wins. Source of the rules: AddedVocabulary of Hugging Face's tokenizers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_parts.h"

namespace octet {

// A stretch of text, or the token that a stretch of text is.
struct TextSection {
  size_t begin = 0;
  size_t end = 0;
  int32_t token = -1;  // -1: plain text
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // Tokens of empty content are passed over.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Replaces `sections` by the sections of the text in order. A special token counts where parse_special is true and
  // all its bytes are 1 in `trust`, which may be empty for a text that is trusted whole. Requires valid UTF-8.
  void Split(std::string_view text, std::string_view trust, bool parse_special,
             std::vector<TextSection>& sections) const;

 private:
  const AddedToken* LongestAt(std::string_view text, size_t at, std::string_view trust, bool parse_special) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  bool starts_[256] = {};           // bytes that begin a token
};

}  // namespace octet
