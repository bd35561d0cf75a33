// Byte-pair encoding of one word: the best-ranked pair of neighbours merges until none is left.
//
//   BpeModel model = OCTET_TRY(BpeModel::Make(parts, vocabulary, byte_level, where));
//   model.EncodeWord("hello", scratch, ids);
//
// Source: Sennrich et al. 2016, section 3.2; ties go to the leftmost pair. Cutting text into words:
// text/pretokenizer.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/merge_table.h"
#include "text/token_guard.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary.h"
#include "text/word_cache.h"

namespace octet {

// Memory that calls reuse.
struct BpeScratch {
  struct Symbol {
    int32_t id = 0;
    int32_t previous = -1;
    int32_t next = -1;
  };
  struct Candidate {
    uint32_t rank = 0;
    int32_t position = 0;
    int32_t left = 0;
    int32_t right = 0;
    int32_t merged = 0;
  };
  WordCache cache;
  std::vector<int32_t> ids;
  std::vector<uint32_t> ranks;
  std::vector<Symbol> symbols;
  std::vector<Candidate> candidates;
  std::string spelled;
  const TokenGuard* guard = nullptr;  // of the word that is being encoded
};

class BpeModel {
 public:
  // `byte_level`: words come as plain bytes and the vocabulary spells them as ByteLevel does (text/byte_level.h); only
  // without prefix, suffix and byte fallback.
  // The vocabulary must outlive the model.
  static Result<BpeModel> Make(const TokenizerParts& parts, const Vocabulary& vocabulary, bool byte_level,
                               std::string_view where);

  // Appends the ids of a non-empty word. Work: n log n of the word's characters; known short words come from the cache.
  // A text that SentencePiece leaves whole falls apart before its spaces where no merge could reach across.
  // `guard` may be null; of the tokens that it holds only the unknown one and those of single bytes appear.
  void EncodeWord(std::string_view word, const TokenGuard* guard, BpeScratch& scratch, std::vector<int32_t>& ids) const;

 private:
  void FindBarJoins(const TokenizerParts& parts);
  void EncodePart(std::string_view word, BpeScratch& scratch, std::vector<int32_t>& ids) const;
  void EncodeUncached(std::string_view word, BpeScratch& scratch, std::vector<int32_t>& ids) const;
  void StartSymbols(std::string_view word, BpeScratch& scratch) const;
  // `symbol` is a character with the prefix or suffix of its place.
  void StartSymbol(std::string_view symbol, BpeScratch& scratch, bool& pending_unknown) const;
  void MergeShort(BpeScratch& scratch) const;
  void MergeLong(BpeScratch& scratch) const;
  void PushCandidate(BpeScratch& scratch, int32_t position) const;

  const Vocabulary* vocabulary_ = nullptr;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_{};  // of a byte-level vocabulary: the token of each byte, -1 where there is none
  std::array<int32_t, 256> fallback_ids_{};  // <0x00>..<0xFF>
  std::string subword_prefix_;
  std::string word_suffix_;
  int32_t unknown_ = -1;
  bool byte_level_ = false;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
  bool ignore_merges_ = false;
  bool cuts_at_bars_ = false;          // text falls apart before "▁", SentencePiece's space, ...
  std::array<bool, 256> joins_bar_{};  // ... but behind these bytes, with which a merge joins it
};

}  // namespace octet
