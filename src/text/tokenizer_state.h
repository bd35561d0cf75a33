// What a Tokenizer holds; for the files of text/ that implement it.
#pragma once

#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pretokenizer.h"
#include "text/token_decoder.h"
#include "text/token_guard.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

namespace octet {

// Memory of one running Encode, kept for the next.
struct EncodeScratch {
  BpeScratch bpe;
  UnigramScratch unigram;
  Words words;
  std::vector<TextSection> sections;
  std::vector<TextSection> inner_sections;
};

// Lends each running call its own scratch; word caches stay warm between calls.
class ScratchPool {
 public:
  std::unique_ptr<EncodeScratch> Take();
  void Return(std::unique_ptr<EncodeScratch> scratch);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeScratch>> idle_;
};

// What EncodePlain must know about a stretch of text.
struct PlainRules {
  bool starts_input = false;
  bool guarded = false;  // it may not yield the tokens that State::guard holds
};

struct Tokenizer::State {
  Vocabulary vocabulary;
  std::vector<AddedToken> added;
  Vocabulary added_index;  // content of added tokens -> place in `added`
  TokenGuard guard;        // special and control-like tokens
  AddedTokenMatcher raw_matcher;
  AddedTokenMatcher normalized_matcher;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::variant<std::monostate, BpeModel, UnigramModel, WordPieceModel> model;
  SpecialFrame frame;
  TokenDecoder decoder;
  std::vector<std::string_view> texts;          // by id, added tokens included
  std::vector<std::string_view> decoded_texts;  // by id, as the decoder gets them
  std::vector<bool> special;                    // by id
  std::string byte_text;                        // the bytes of all tokens, as the decoder's first stage gets them
  std::vector<uint32_t> byte_offsets;           // where in byte_text each id's bytes begin; one more than ids
  std::optional<int32_t> bos, eos;
  mutable ScratchPool scratch;

  static Result<std::unique_ptr<const State>> Make(TokenizerParts parts, std::string_view where);

  std::vector<int32_t> Encode(const MarkedText& text, bool add_special, const AddedTokenRules& rules) const;
  // Sorted ids of the added words, special tokens aside, that stand in a chat template's source. White space and signs
  // alone tell nothing: templates are full of them.
  std::vector<int32_t> TokensIn(std::string_view template_source) const;
  std::vector<std::string> normalized_contents;  // of plain added tokens that are searched after the normalizer

  // Empty, or false, for ids outside the vocabulary.
  bool Has(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < texts.size(); }
  std::string_view TextOf(int32_t id) const { return Has(id) ? texts[static_cast<size_t>(id)] : std::string_view(); }
  bool IsSpecial(int32_t id) const { return Has(id) && special[static_cast<size_t>(id)]; }
  // Nothing to decode: an id that is unused or outside.
  bool IsBlank(int32_t id) const { return !Has(id) || decoded_texts[static_cast<size_t>(id)].empty(); }
  std::string_view BytesOf(int32_t id) const {
    if (!Has(id)) return {};
    const uint32_t begin = byte_offsets[static_cast<size_t>(id)];
    return {byte_text.data() + begin, byte_offsets[static_cast<size_t>(id) + 1] - begin};
  }

 private:
  void MakeMatchers();
  void IndexIds();
  void IndexBytes();
  Status MakeModel(const TokenizerParts& parts, std::string_view where);
  void EncodeSection(const MarkedText& text, bool starts_input, const AddedTokenRules& rules, EncodeScratch& scratch,
                     std::vector<int32_t>& ids) const;
  void EncodePlain(std::string_view text, const PlainRules& rules, EncodeScratch& scratch,
                   std::vector<int32_t>& ids) const;
  void EncodeWord(std::string_view word, const TokenGuard* word_guard, EncodeScratch& scratch,
                  std::vector<int32_t>& ids) const;
};

}  // namespace octet
