// From what a user wrote to the token ids of a request.
//
//   std::vector<int32_t> ids = OCTET_TRY(TextPrompt(engine, "Once upon a time"));
//   std::vector<int32_t> ids = OCTET_TRY(ChatPrompt(engine, {{"user", "Hello"}}));
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "octet/session.h"

namespace octet {

// Fails with invalid_argument, naming `what` and the offset of the first byte at fault.
Status CheckUtf8(std::string_view text, std::string_view what);

// Fails with invalid_argument where the model's files have none.
Result<const Tokenizer*> RequireTokenizer(const Engine& engine);

// The text as it stands, with the special tokens that the tokenizer puts around it.
Result<std::vector<int32_t>> TextPrompt(const Engine& engine, std::string_view text);

// The messages by the model's chat template, up to where the assistant's answer begins. Special tokens come from the
// template alone. Fails with invalid_argument where there is no template.
Result<std::vector<int32_t>> ChatPrompt(const Engine& engine, std::span<const ChatMessage> messages);

}  // namespace octet
