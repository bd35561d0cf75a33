// The special tokens that a tokenizer puts around a text: `post_processor` of tokenizer.json.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet {

struct SpecialFrame {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

// Types: TemplateProcessing (its `single` form), BertProcessing, RobertaProcessing, ByteLevel, Sequence; null has no
// tokens.
Result<SpecialFrame> ReadPostProcessor(const Json& definition, std::string_view where);

}  // namespace octet
