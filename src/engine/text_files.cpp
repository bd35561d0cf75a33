#include "engine/text_files.h"

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "text/gguf_tokenizer.h"

namespace octet {
namespace {

constexpr size_t kMostTokenizerBytes = size_t{256} << 20;
constexpr size_t kMostTemplateBytes = size_t{4} << 20;

// The template in tokenizer_config.json: a text, or a list of named ones.
std::string TemplateOfConfig(const Json& tokenizer_config) {
  const Json* member = FindMember(tokenizer_config, "chat_template");
  if (member == nullptr) return {};
  if (member->is_string()) return member->get<std::string>();
  if (!member->is_array()) return {};
  for (const Json& named : *member) {
    const Json* name = FindMember(named, "name");
    const Json* source = FindMember(named, "template");
    if (name != nullptr && *name == "default" && source != nullptr && source->is_string())
      return source->get<std::string>();
  }
  return {};
}

Status ReadDirectory(const Checkpoint& checkpoint, ModelFiles& files) {
  std::error_code error;
  const std::filesystem::path tokenizer = checkpoint.path / "tokenizer.json";
  if (std::filesystem::exists(tokenizer, error)) {
    files.tokenizer_json = OCTET_TRY(ReadTextFile(tokenizer, kMostTokenizerBytes));
    files.tokenizer =
        OCTET_TRY(Tokenizer::FromJson(files.tokenizer_json, checkpoint.tokenizer_config, tokenizer.native()));
  }
  const std::filesystem::path chat_template = checkpoint.path / "chat_template.jinja";
  if (std::filesystem::exists(chat_template, error)) {
    files.chat_template = OCTET_TRY(ReadTextFile(chat_template, kMostTemplateBytes));
  } else {
    files.chat_template = TemplateOfConfig(checkpoint.tokenizer_config);
  }
  return {};
}

Status ReadGguf(const Checkpoint& checkpoint, ModelFiles& files) {
  const GgufFile& gguf = *checkpoint.gguf;
  if (gguf.Has("tokenizer.ggml.tokens")) {
    files.tokenizer_json = OCTET_TRY(TokenizerJsonFromGguf(gguf));
    files.tokenizer = OCTET_TRY(Tokenizer::FromGguf(gguf));
  }
  if (gguf.Has("tokenizer.chat_template")) files.chat_template = OCTET_TRY(gguf.GetString("tokenizer.chat_template"));
  return {};
}

}  // namespace

Status ReadTextFiles(const Checkpoint& checkpoint, ModelFiles& files) {
  return checkpoint.gguf == nullptr ? ReadDirectory(checkpoint, files) : ReadGguf(checkpoint, files);
}

}  // namespace octet
