// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API, read as a chat and worded in its own shape.
#pragma once

#include "serve/api/anthropic_reply.h"
#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// Fails naming the field. Text and tools of the client are taken: pictures, thinking and tools of the server are
// refused.
ApiResult<Generation> ReadAnthropicMessage(const Json& body, const ServedModel& model, std::string_view id);

// {"input_tokens": N}: what the prompt would take, also where the context has no room for it.
ApiResult<Json> CountAnthropicTokens(const Json& body, const ServedModel& model);

}  // namespace octet::serve
