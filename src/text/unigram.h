// Unigram language model: of all ways to cut a word into tokens, the one with the highest sum of scores.
//
//   UnigramModel model = OCTET_TRY(UnigramModel::Make(parts, vocabulary, where));
//   model.EncodeWord("▁Hello", scratch, ids);
//
// Source: Kudo 2018, section 3.2, by Viterbi's algorithm.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/byte_trie.h"
#include "text/token_guard.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary.h"

namespace octet {

struct UnigramScratch {
  struct Node {
    double score = 0;
    size_t begin = SIZE_MAX;  // of the token that ends here on the best path; SIZE_MAX: none does
    int32_t id = -1;
  };
  std::vector<Node> nodes;
  std::vector<size_t> cuts;
};

class UnigramModel {
 public:
  // The vocabulary must outlive the model.
  static Result<UnigramModel> Make(const TokenizerParts& parts, const Vocabulary& vocabulary, std::string_view where);

  // Appends the ids of a non-empty word, none that `guard` holds but the unknown token's where a character has no
  // other. `guard` may be null. Work: characters times the longest token.
  void EncodeWord(std::string_view word, const TokenGuard* guard, UnigramScratch& scratch,
                  std::vector<int32_t>& ids) const;

 private:
  void FindBestPath(std::string_view word, const TokenGuard* guard, UnigramScratch& scratch) const;
  void AppendToken(std::string_view token, const TokenGuard* guard, std::vector<int32_t>& ids) const;

  const Vocabulary* vocabulary_ = nullptr;
  ByteTrie trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  int32_t unknown_ = -1;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> fallback_ids_{};
};

}  // namespace octet
