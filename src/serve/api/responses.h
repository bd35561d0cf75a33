// POST /v1/responses: OpenAI's newer API without its memory. Each request brings the whole conversation; nothing is
// kept.
#pragma once

#include "serve/api/generation.h"
#include "serve/api/served_model.h"

namespace octet::serve {

// Fails naming the field. Text alone is taken, and what would need a stored response is refused.
ApiResult<Generation> ReadResponse(const Json& body, const ServedModel& model, std::string_view id);

}  // namespace octet::serve
