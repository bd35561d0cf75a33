// Finding added tokens in a text: the tokens that stand outside the model, special ones among them.
//
//   AddedTokenMatcher matcher(tokens);
//   matcher.Split(text, trust, {.parse_special = true, .template_tokens = ids}, sections);
//
// At each place the longest token wins. Source of the rules: AddedVocabulary of Hugging Face's tokenizers.
#pragma once

#include <cstdint>
#include <span>
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

// Which added tokens a text may yield. A token that needs trust counts where all its bytes are 1 in the text's `trust`.
struct AddedTokenRules {
  bool parse_special = true;                 // special tokens count, where they are trusted
  std::span<const int32_t> template_tokens;  // sorted ids that need trust besides special and control-like ones
};

// Whether a token looks as if it told the model who speaks: `<|...|>`, `<start_of_turn>`, `[INST]`. Many models ship
// such tokens without calling them special. Names of HTML elements that Gemma's vocabulary has are plain text.
bool LooksLikeControl(std::string_view content);

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // Tokens of empty content are passed over.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Replaces `sections` by the sections of the text in order. `trust` may be empty for a text that is trusted whole.
  // Special, control-like and the template's tokens need trust, others count everywhere. Requires valid UTF-8.
  void Split(std::string_view text, std::string_view trust, const AddedTokenRules& rules,
             std::vector<TextSection>& sections) const;

 private:
  struct Sought {
    AddedToken token;
    bool control = false;
  };
  const AddedToken* LongestAt(std::string_view text, size_t at, std::string_view trust,
                              const AddedTokenRules& rules) const;

  std::vector<Sought> tokens_;  // sorted by content
  bool starts_[256] = {};       // bytes that begin a token
};

}  // namespace octet
