// Anthropic's wording of an answer: a message of blocks, each a text or the use of a tool.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/api/generation.h"

namespace octet::serve {

struct AnthropicReplyWish {
  std::string id;
  std::string model;
  std::vector<std::string> stops;  // the request's stop_sequences
  size_t prompt_tokens = 0;
  std::optional<ToolCallRules> calls = {};  // where the model may use tools
};

std::unique_ptr<ReplyShape> MakeAnthropicReply(AnthropicReplyWish wish);

// {"type": "error", "error": {"type", "message"}}, and the same with the status and headers of ErrorReply.
Json AnthropicErrorJson(const ApiError& error);
HttpReply AnthropicError(const ApiError& error);

}  // namespace octet::serve
