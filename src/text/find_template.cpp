#include "text/find_template.h"

#include "base/mapped_file.h"

namespace octet {

Result<ChatTemplateSources> ReadChatTemplates(const Json& tokenizer_config, std::string_view where) {
  ChatTemplateSources sources;
  sources.where = where;
  const Json* entry = FindMember(tokenizer_config, "chat_template");
  if (entry == nullptr) return sources;
  if (entry->is_string()) {
    sources.text = entry->get<std::string>();
    return sources;
  }
  if (!entry->is_array())
    return Fail(ErrorCode::kCorrupt, where, ": `chat_template` is ", entry->type_name(),
                ", a string or a list is expected");
  for (const Json& named : *entry) {
    const std::string name = OCTET_TRY(GetString(named, "name", where));
    std::string text = OCTET_TRY(GetString(named, "template", where));
    // A list without a `default` offers its first.
    if (name == "default" || sources.text.empty()) sources.text = text;
    if (name == "tool_use") sources.tool_use_text = std::move(text);
  }
  return sources;
}

Result<ChatTemplateSources> FindChatTemplates(const std::filesystem::path& directory) {
  std::error_code ignored;
  const std::filesystem::path file = directory / "chat_template.jinja", config = directory / "tokenizer_config.json";
  if (std::filesystem::exists(file, ignored)) {
    ChatTemplateSources sources;
    sources.where = file.string();
    sources.text = OCTET_TRY(ReadTextFile(file));
    return sources;
  }
  if (!std::filesystem::exists(config, ignored)) return ChatTemplateSources{config.string(), "", ""};
  const std::string text = OCTET_TRY(ReadTextFile(config));
  const Json json = OCTET_TRY(ParseJson(text, config.string()));
  return ReadChatTemplates(json, config.string());
}

}  // namespace octet
