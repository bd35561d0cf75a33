// The chat templates of a model, by the order of precedence that docs/formats/chat_template.md gives.
//
//   ChatTemplateSources sources = OCTET_TRY(FindChatTemplates("models/Qwen3"));
//   if (!sources.text.empty()) chat = OCTET_TRY(ChatTemplate::Parse(sources.text, sources.where));
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"

namespace octet {

struct ChatTemplateSources {
  std::string where;          // the file, for messages
  std::string text;           // empty where the model has no template
  std::string tool_use_text;  // the one for requests with tools, empty where it is the same
};

// `model` is what OpenTokenizer takes: a directory, a tokenizer.json in one, a .gguf or a .octet file. One without a
// template is no error; one that can't be read or has the wrong type is.
Result<ChatTemplateSources> FindChatTemplates(const std::filesystem::path& model);

// Those of a model that is open already.
Result<ChatTemplateSources> ReadChatTemplates(const Checkpoint& checkpoint);

// Those in the content of a tokenizer_config.json alone.
Result<ChatTemplateSources> ReadChatTemplates(const Json& tokenizer_config, std::string_view where);

}  // namespace octet
