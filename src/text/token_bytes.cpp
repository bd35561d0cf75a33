#include "text/token_bytes.h"

#include <algorithm>
#include <utility>

#include "text/byte_fallback.h"
#include "text/tokenizer_state.h"

namespace octet {
namespace {

bool IsLetters(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

Result<TokenBytes> ReadTokenBytes(const Tokenizer& tokenizer) {
  const Tokenizer::State& state = *tokenizer.state_;
  const auto is_left_out = [&](int32_t id) {
    return state.IsBlank(id) || state.IsSpecial(id) || state.guard.Holds(id);
  };
  const auto size = static_cast<int32_t>(tokenizer.vocab_size());
  TokenBytes found;
  found.inside.resize(tokenizer.vocab_size());
  if (state.decoder.only_byte_level()) {
    for (int32_t id = 0; id < size; ++id) {
      if (!is_left_out(id)) found.inside[static_cast<size_t>(id)] = state.BytesOf(id);
    }
    return found;
  }
  if (!state.decoder.dependent_step().empty()) {
    return Fail(ErrorCode::kUnsupported, "the tokenizer's decoder has a step `", state.decoder.dependent_step(),
                "`, by which the text of a token depends on those beside it");
  }
  // What a token adds behind others shows behind a token of letters, which no step changes.
  int32_t anchor = 0;
  while (anchor < size && (is_left_out(anchor) || !IsLetters(tokenizer.Decode(std::span(&anchor, 1))))) ++anchor;
  if (anchor == size) return Fail(ErrorCode::kUnsupported, "the tokenizer has no token of the letters a to z");
  const size_t anchor_bytes = tokenizer.Decode(std::span(&anchor, 1)).size();
  found.first.resize(tokenizer.vocab_size());
  bool differs = false;
  for (int32_t id = 0; id < size; ++id) {
    if (is_left_out(id)) continue;
    const auto place = static_cast<size_t>(id);
    const std::optional<uint8_t> byte =
        state.decoder.has_byte_fallback() ? ByteOfFallbackToken(state.TextOf(id)) : std::nullopt;
    if (byte && *byte >= 0x80) {
      found.inside[place] = found.first[place] = std::string(1, static_cast<char>(*byte));
      continue;
    }
    const int32_t pair[] = {anchor, id};
    found.inside[place] = tokenizer.Decode(pair).substr(anchor_bytes);
    found.first[place] = tokenizer.Decode(std::span(&id, 1));
    differs = differs || found.first[place] != found.inside[place];
  }
  if (!differs) found.first.clear();
  return found;
}

}  // namespace octet
