// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API, read as a chat and worded in its own shape.
#pragma once

#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// Fails naming the field. Text alone is taken: tools, pictures and thinking are refused.
ApiResult<Generation> ReadAnthropicMessage(const Json& body, const ServedModel& model, std::string_view id);

// {"input_tokens": N}: what the prompt would take.
ApiResult<Json> CountAnthropicTokens(const Json& body, const ServedModel& model);

// {"type": "error", "error": {"type", "message"}}, with the status and headers of ErrorReply.
HttpReply AnthropicError(const ApiError& error);

}  // namespace octet::serve
