#include "text/companion_files.h"

#include "base/json_text.h"
#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "text/gguf_tokenizer.h"

namespace octet {
namespace {

// The last ones say how sentence-transformers makes vectors of an encoder's tokens.
constexpr const char* kNames[] = {"tokenizer.json",
                                  "tokenizer_config.json",
                                  "tokenizer.model",
                                  "special_tokens_map.json",
                                  "vocab.json",
                                  "added_tokens.json",
                                  "chat_template.jinja",
                                  "chat_template.json",
                                  "merges.txt",
                                  "vocab.txt",
                                  "modules.json",
                                  "sentence_bert_config.json",
                                  "1_Pooling/config.json",
                                  "config_sentence_transformers.json"};

Result<std::vector<ExportFile>> FilesOfDirectory(const std::filesystem::path& directory) {
  std::vector<ExportFile> files;
  for (const char* name : kNames) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(directory / name, error)) continue;
    files.push_back({name, OCTET_TRY(ReadTextFile(directory / name))});
  }
  return files;
}

Result<std::vector<ExportFile>> FilesOfGguf(const Checkpoint& checkpoint) {
  const GgufFile& gguf = *checkpoint.gguf;
  std::vector<ExportFile> files;
  if (!gguf.Has("tokenizer.ggml.model")) return files;
  files.push_back({"tokenizer.json", OCTET_TRY(TokenizerJsonFromGguf(gguf))});
  Json config = TokenizerConfigFromGguf(gguf);
  const Json* chat = FindMember(checkpoint.tokenizer_config, "chat_template");
  if (chat != nullptr && chat->is_string()) files.push_back({"chat_template.jinja", chat->get<std::string>()});
  // Several templates have one place that every reader of such directories knows.
  if (chat != nullptr && chat->is_array()) config["chat_template"] = *chat;
  files.push_back({"tokenizer_config.json", Dump(config, 2) + "\n"});
  return files;
}

}  // namespace

Result<std::vector<ExportFile>> CompanionFiles(const Checkpoint& checkpoint) {
  return checkpoint.gguf ? FilesOfGguf(checkpoint) : FilesOfDirectory(checkpoint.path);
}

}  // namespace octet
