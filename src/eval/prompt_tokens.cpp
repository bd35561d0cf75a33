#include "eval/prompt_tokens.h"

#include <span>
#include <string>

namespace octet {

std::optional<int32_t> StartToken(const Tokenizer& tokenizer) {
  return tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
}

std::vector<int32_t> PromptTokens(const Tokenizer& tokenizer, std::string_view text) {
  const std::optional<int32_t> start = StartToken(tokenizer);
  const std::string start_text = start ? tokenizer.Decode(std::span(&*start, 1)) : std::string();
  const bool begins_itself = !start_text.empty() && text.starts_with(start_text);
  return tokenizer.Encode(text, {.add_special = !begins_itself, .parse_special = true});
}

bool KeepLast(size_t most, std::vector<int32_t>& tokens) {
  if (tokens.size() <= most) return false;
  tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(most));
  return true;
}

}  // namespace octet
