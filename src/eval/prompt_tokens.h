// A prompt of a test as tokens.
//
//   std::vector<int32_t> ids = PromptTokens(tokenizer, "Q: What is 2 + 2?\nA:");
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace octet {

// BOS, or EOS where there is none.
std::optional<int32_t> StartToken(const Tokenizer& tokenizer);

// With the special tokens that the tokenizer puts around a text, unless the text begins with the start token by itself;
// special tokens that are written in it count.
std::vector<int32_t> PromptTokens(const Tokenizer& tokenizer, std::string_view text);

// Takes tokens off the beginning until `most` are left; whether there were more.
bool KeepLast(size_t most, std::vector<int32_t>& tokens);

}  // namespace octet
