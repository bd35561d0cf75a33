// What is asked of a model, and what comes back.
//
//   octet::GenerateOptions options{.max_tokens = 100, .stop = {"\nUser:"}};
//   octet::Result<octet::GenerateResult> answer = session.Generate("Once upon a time", options);
//
// Choosing tokens: octet/sampling.h. Running it: octet/session.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octet/sampling.h"

namespace octet {

struct GenerateOptions {
  SamplingOptions sampling = {};
  std::optional<size_t> max_tokens = {};  // of the answer; absent: what the context has room for
  std::vector<std::string> stop = {};     // the text ends before the first of these, even where tokens end inside it
  std::vector<int32_t> stop_tokens = {};  // beside the model's own end tokens
  bool ignore_eos = false;                // the model's own end tokens don't end the answer
  bool show_special = false;              // special tokens appear in the text
};

enum class FinishReason {
  kStop,       // an end token, a stop token or a stop string
  kLength,     // max_tokens or the context's end
  kCancelled,  // the caller asked to stop
};

// The reason's name as it stands in JSON, for example "stop".
std::string_view FinishReasonName(FinishReason reason);

struct GeneratedToken {
  int32_t token = 0;
  std::optional<float> logprob;   // where SamplingOptions::logprobs >= 0
  std::vector<TokenLogprob> top;  // the most likely tokens at this place
};

// Seconds are of a steady clock.
struct Timings {
  size_t prompt_tokens = 0;  // that were read: all of them, unless the answer was stopped before
  size_t cached_tokens = 0;  // of those, found in the session's cache and not computed again
  size_t generated_tokens = 0;
  size_t drafted_tokens = 0;   // guessed and computed beside the answer's (forced text, n-grams)
  size_t accepted_tokens = 0;  // of those, right, and so without a step of their own
  double prompt_seconds = 0;   // until the first token was chosen, or the last part of the prompt read
  double decode_seconds = 0;   // from there to the last token

  // Tokens a second; 0 where there was nothing to measure.
  double PromptRate() const;
  double DecodeRate() const;
};

struct GenerateResult {
  std::string text;
  std::vector<GeneratedToken> tokens;  // with the end token, where one ended the answer
  FinishReason finish_reason = FinishReason::kStop;
  Timings timings;
};

// Called with each piece of the answer as soon as it can't change any more: whole characters, nothing of a stop string.
// The pieces joined are GenerateResult::text. Returning false stops the answer, as Session::Cancel does.
using OnText = std::function<bool(std::string_view piece)>;

}  // namespace octet
