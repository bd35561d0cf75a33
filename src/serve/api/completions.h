// POST /v1/completions: goes on from a prompt as it stands; with echo and logprobs also scores it, as lm-eval needs.
#pragma once

#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// `id` is the request's. Fails naming the field.
ApiResult<Generation> ReadCompletion(const Json& body, const ServedModel& model, std::string_view id);

}  // namespace octet::serve
