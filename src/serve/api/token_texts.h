// Single tokens as the APIs show them beside their log-probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/json.h"
#include "octet/generate.h"
#include "text/tokenizer.h"

namespace octet::serve {

// What the token adds to a text behind others: with its leading space, special tokens as they are spelt, U+FFFD for
// what is no whole character. Without a tokenizer, "token_id:" and the id.
std::string TokenPiece(const Tokenizer* tokenizer, int32_t id);

// The bytes it adds, as a list of numbers; null where the vocabulary doesn't tell.
Json TokenBytes(const Tokenizer* tokenizer, int32_t id);

// Characters, which is how Python counts a text.
size_t CodePoints(std::string_view text);

// An entry of a chat's `logprobs.content`: token, logprob, bytes and top_logprobs.
Json ChatLogprob(const Tokenizer* tokenizer, const GeneratedToken& token);

// `logprobs` of a completion: tokens, token_logprobs, top_logprobs, text_offset, filled token by token. A token without
// log-probability has null. The chosen token is always among the top ones; where two ids have one text, the larger
// value stays.
class CompletionLogprobs {
 public:
  // `offset`: characters before the first token.
  CompletionLogprobs(const Tokenizer* tokenizer, size_t offset) : tokenizer_(tokenizer), offset_(offset) {}

  void Add(std::span<const GeneratedToken> tokens);
  Json json() const;
  // Characters up to the end of the last token.
  size_t offset() const { return offset_; }

 private:
  const Tokenizer* tokenizer_;
  size_t offset_;
  Json tokens_ = Json::array(), values_ = Json::array(), tops_ = Json::array(), offsets_ = Json::array();
};

}  // namespace octet::serve
