// The fields that all generating requests share: how tokens are chosen, and where an answer ends.
#pragma once

#include <optional>

#include "serve/api/fields.h"
#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// Reads temperature, top_p, top_k, min_p, the penalties, seed, logit_bias, stop, stop_token_ids, min_tokens,
// ignore_eos, skip_special_tokens, include_stop_str_in_output, allowed_token_ids, n, stream, priority and cache_salt,
// and refuses what can't be honoured. What isn't given comes from the model's generation_config, else temperature and
// top_p are 1, as OpenAI has it; a seed is drawn.
void ReadSampling(Fields& fields, const ServedModel& model, Generation& generation);

// What is wrong where more tokens are asked for at least than the answer may have; max_tokens must be read by then.
std::optional<ApiError> CheckMinTokens(const GenerateOptions& options);

// stream_options: whether the usage comes at a stream's end, and with each event.
struct StreamOptions {
  bool include_usage = false;
  bool continuous_usage = false;
};
StreamOptions ReadStreamOptions(Fields& fields, bool stream);

}  // namespace octet::serve
