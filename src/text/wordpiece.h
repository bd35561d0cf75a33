// WordPiece: the longest token that a word begins with, then the longest that continues it, and so on.
//
//   WordPieceModel model(parts, vocabulary);
//   model.EncodeWord("unaffable", ids);    // un ##aff ##able
//
// Source: Devlin et al. 2018, the tokenizer of BERT.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/token_guard.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary.h"

namespace octet {

class WordPieceModel {
 public:
  // The vocabulary must outlive the model.
  WordPieceModel(const TokenizerParts& parts, const Vocabulary& vocabulary);

  // Appends the ids of a non-empty word, or the unknown token for a word that is too long or has a part without a
  // token. Of the tokens that `guard` holds, which may be null, only the unknown one.
  void EncodeWord(std::string_view word, const TokenGuard* guard, std::vector<int32_t>& ids) const;

 private:
  const Vocabulary* vocabulary_;
  std::string prefix_;
  size_t longest_word_;
  size_t longest_token_ = 0;
  int32_t unknown_;
};

}  // namespace octet
