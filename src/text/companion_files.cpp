#include "text/companion_files.h"

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "text/gguf_tokenizer.h"

namespace octet {
namespace {

constexpr const char* kNames[] = {
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model",     "special_tokens_map.json",
    "vocab.json",     "added_tokens.json",     "chat_template.jinja", "chat_template.json",
    "merges.txt"};

Result<std::vector<ExportFile>> FilesOfDirectory(const std::filesystem::path& directory) {
  std::vector<ExportFile> files;
  for (const char* name : kNames) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(directory / name, error)) continue;
    files.push_back({name, OCTET_TRY(ReadTextFile(directory / name))});
  }
  return files;
}

Result<std::vector<ExportFile>> FilesOfGguf(const GgufFile& gguf) {
  std::vector<ExportFile> files;
  if (!gguf.Has("tokenizer.ggml.model")) return files;
  files.push_back({"tokenizer.json", OCTET_TRY(TokenizerJsonFromGguf(gguf))});
  files.push_back({"tokenizer_config.json", TokenizerConfigFromGguf(gguf).dump(2) + "\n"});
  if (gguf.Has("tokenizer.chat_template")) {
    files.push_back({"chat_template.jinja", std::string(OCTET_TRY(gguf.GetString("tokenizer.chat_template")))});
  }
  return files;
}

}  // namespace

Result<std::vector<ExportFile>> CompanionFiles(const Checkpoint& checkpoint) {
  return checkpoint.gguf ? FilesOfGguf(*checkpoint.gguf) : FilesOfDirectory(checkpoint.path);
}

}  // namespace octet
