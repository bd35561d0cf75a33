#include "text/find_template.h"

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/gguf_config.h"
#include "formats/octet_pack.h"

namespace octet {
namespace {

// The largest published template has 30 KB.
constexpr size_t kMostTemplateBytes = size_t{4} << 20;

// Where transformers keeps the named ones beside chat_template.jinja.
constexpr const char* kToolUseTemplate = "additional_chat_templates/tool_use.jinja";

// A template in a file of its own goes before all that tokenizer_config.json has.
Result<ChatTemplateSources> OfDirectory(const std::filesystem::path& directory, const Json& tokenizer_config) {
  const std::filesystem::path file = directory / "chat_template.jinja", tools = directory / kToolUseTemplate;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    return ReadChatTemplates(tokenizer_config, (directory / "tokenizer_config.json").string());
  ChatTemplateSources sources;
  sources.where = file.string();
  sources.text = OCTET_TRY(ReadTextFile(file, kMostTemplateBytes));
  if (std::filesystem::exists(tools, ignored))
    sources.tool_use_text = OCTET_TRY(ReadTextFile(tools, kMostTemplateBytes));
  return sources;
}

Result<ChatTemplateSources> OfDirectory(const std::filesystem::path& directory) {
  const std::filesystem::path config = directory / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(config, ignored)) return OfDirectory(directory, Json());
  const std::string text = OCTET_TRY(ReadTextFile(config));
  return OfDirectory(directory, OCTET_TRY(ParseJson(text, config.string())));
}

// A pack keeps the default template in a section of its own, and the list it came from in tokenizer_config.json's.
Result<ChatTemplateSources> OfPack(const OctetPack& pack) {
  const Json config = OCTET_TRY(pack.OptionalJson("tokenizer_config.json"));
  ChatTemplateSources sources = OCTET_TRY(ReadChatTemplates(config, Cat(pack.path(), ": tokenizer_config.json")));
  const std::string text = OCTET_TRY(pack.OptionalText("chat_template.jinja"));
  if (text.empty()) return sources;
  if (text != sources.text) sources.tool_use_text.clear();
  sources.text = text;
  sources.where = Cat(pack.path(), ": chat template");
  return sources;
}

}  // namespace

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

Result<ChatTemplateSources> ReadChatTemplates(const Checkpoint& checkpoint) {
  return checkpoint.gguf ? ReadChatTemplates(checkpoint.tokenizer_config, Cat(checkpoint.path, ": chat template"))
                         : OfDirectory(checkpoint.path, checkpoint.tokenizer_config);
}

Result<ChatTemplateSources> FindChatTemplates(const std::filesystem::path& model) {
  std::error_code ignored;
  if (std::filesystem::is_directory(model, ignored)) return OfDirectory(model);
  if (model.extension() == ".json") return OfDirectory(model.parent_path());
  if (OctetPack::IsPack(model)) {
    const std::shared_ptr<const OctetPack> pack = OCTET_TRY(OctetPack::Open(model));
    return OfPack(*pack);
  }
  const std::shared_ptr<const GgufFile> gguf = OCTET_TRY(GgufFile::Open(model));
  const Json config = {{"chat_template", OCTET_TRY(GgufChatTemplate(*gguf))}};
  return ReadChatTemplates(config, Cat(model, ": chat template"));
}

}  // namespace octet
