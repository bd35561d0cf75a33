// POST /v1/chat/completions: the next message of a conversation.
#pragma once

#include "serve/api/chat_messages.h"
#include "serve/api/generation.h"

namespace octet::serve {

// `id` is the request's. Fails naming the field.
ApiResult<Generation> ReadChat(const Json& body, const ServedModel& model, std::string_view id);

// For the APIs that stand on this one: the length of an answer that isn't bounded by the request.
size_t RoomForAnswer(const ServedModel& model, size_t prompt_tokens);

}  // namespace octet::serve
