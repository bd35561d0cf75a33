// Log-probabilities of an answer's tokens, which `octet run` and `octet chat` print in their JSON.
#pragma once

#include "cli/sampling_flags.h"
#include "cli/verb.h"
#include "octet/generate.h"

namespace octet::cli {

// Fails with invalid_argument where they are asked for and nothing would show them.
Status CheckLogprobs(const SamplingFlags& flags, const Invocation& call);

// The member `logprobs`, an entry a token, where the tokens have them.
void AddLogprobs(const GenerateResult& result, Json& json);

}  // namespace octet::cli
