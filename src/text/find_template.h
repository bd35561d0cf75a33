// The chat templates of a checkpoint directory, by the order of precedence that docs/formats/chat_template.md gives.
//
//   ChatTemplateSources sources = OCTET_TRY(FindChatTemplates("models/Qwen3"));
//   if (!sources.text.empty()) chat = OCTET_TRY(ChatTemplate::Parse(sources.text, sources.where));
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace octet {

struct ChatTemplateSources {
  std::string where;          // the file, for messages
  std::string text;           // empty where the checkpoint has no template
  std::string tool_use_text;  // the one for requests with tools, empty where it is the same
};

// A directory without a template is no error; one that can't be read or has the wrong type is.
Result<ChatTemplateSources> FindChatTemplates(const std::filesystem::path& directory);

// The same from the content of a tokenizer_config.json alone.
Result<ChatTemplateSources> ReadChatTemplates(const Json& tokenizer_config, std::string_view where);

}  // namespace octet
