// The special tokens that a tokenizer puts around a text, or around two: `post_processor` of tokenizer.json.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet {

// What stands at one place of a pair: special tokens, or one of the texts.
struct PairPart {
  enum class Kind { kSpecial, kFirst, kSecond };
  Kind kind = Kind::kSpecial;
  int32_t type = 0;               // of all tokens of this part
  std::vector<int32_t> ids = {};  // of kSpecial
};

struct SpecialFrame {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
  // In their order, each text once; empty where the definition joins no pairs in a way that is known.
  std::vector<PairPart> pair;
};

// Types: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence; null has no tokens. A template for
// pairs that can't be read is no error: texts alone need none.
Result<SpecialFrame> ReadPostProcessor(const Json& definition, std::string_view where);

}  // namespace octet
