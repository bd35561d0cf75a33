#include "engine/prompt.h"

#include "text/utf8.h"

namespace octet {

Status CheckUtf8(std::string_view text, std::string_view what) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Prefix next = ClassifyUtf8(text.substr(at));
    if (!next.valid) {
      return Fail(ErrorCode::kInvalidArgument, what, " is not UTF-8: byte ", at, " of ", text.size(),
                  " begins no whole character; convert it, for example with iconv");
    }
    at += next.bytes;
  }
  return {};
}

Result<const Tokenizer*> RequireTokenizer(const Engine& engine) {
  if (engine.tokenizer() != nullptr) return engine.tokenizer();
  return Fail(ErrorCode::kInvalidArgument,
              "the model has no tokenizer; only token ids can be its prompt: octet run MODEL --ids IDS");
}

Result<std::vector<int32_t>> TextPrompt(const Engine& engine, std::string_view text) {
  OCTET_TRY(CheckUtf8(text, "the prompt"));
  const Tokenizer* tokenizer = OCTET_TRY(RequireTokenizer(engine));
  return tokenizer->Encode(text, {.add_special = true, .parse_special = true});
}

Result<std::vector<int32_t>> ChatPrompt(const Engine& engine, std::span<const ChatMessage> messages) {
  const Tokenizer* tokenizer = OCTET_TRY(RequireTokenizer(engine));
  if (engine.chat_template() == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                "the model has no chat template; it can go on from plain text: octet run MODEL --raw");
  }
  Json inputs = {{"messages", Json::array()}, {"add_generation_prompt", true}};
  for (const ChatMessage& message : messages) {
    OCTET_TRY(CheckUtf8(message.content, Cat("the ", message.role, " message")));
    inputs["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  if (tokenizer->bos()) inputs["bos_token"] = tokenizer->TokenText(*tokenizer->bos());
  if (tokenizer->eos()) inputs["eos_token"] = tokenizer->TokenText(*tokenizer->eos());
  const std::vector<TextPiece> pieces = OCTET_TRY(engine.chat_template()->Render(inputs));
  return tokenizer->EncodeMarked(pieces, /*add_special=*/false, engine.chat_template()->source());
}

}  // namespace octet
