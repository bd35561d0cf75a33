// Cutting normalized text into the words that the model encodes one by one.
//
//   PreTokenizer pre_tokenizer = OCTET_TRY(PreTokenizer::Make(parts.pre_tokenizer, where));
//   pre_tokenizer.Apply(words);
//   for (WordSpan span : words.spans) model.EncodeWord(words.At(span), ...);
//
// Follows the types of tokenizer.json: ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, Punctuation,
// BertPreTokenizer, CharDelimiterSplit, Sequence.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet {

struct WordSpan {
  size_t begin = 0;
  size_t end = 0;
};

// A text and the words that it falls into so far; words are in order and don't overlap.
struct Words {
  std::string text;
  std::vector<WordSpan> spans;
  bool starts_input = true;  // the text's first byte is the first of the whole input
  std::vector<WordSpan> spare_spans;
  std::string spare_text;

  std::string_view At(WordSpan span) const { return std::string_view(text).substr(span.begin, span.end - span.begin); }
};

// One step; constant once made.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual void Apply(Words& words) const = 0;
};

class PreTokenizer {
 public:
  // Null makes one that leaves the text whole. Fails with unsupported naming an unknown type. `model_spells_bytes`: the
  // model can take plain bytes where the last step would spell them (byte_level()).
  static Result<PreTokenizer> Make(const Json& definition, bool model_spells_bytes, std::string_view where);

  // Wants one span over the whole text.
  void Apply(Words& words) const {
    for (const auto& step : steps_) step->Apply(words);
  }

  // The last step spells bytes in the byte-level alphabet, and words leave as plain bytes, since the model spells them
  // itself.
  bool byte_level() const { return byte_level_; }

 private:
  Status Add(const Json& definition, std::string_view where, int depth);

  std::vector<std::shared_ptr<const PreTokenizerStep>> steps_;
  bool byte_level_ = false;
};

}  // namespace octet
