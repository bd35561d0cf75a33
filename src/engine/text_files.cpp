#include "engine/text_files.h"

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "text/find_template.h"
#include "text/gguf_tokenizer.h"

namespace octet {
namespace {

constexpr size_t kMostTokenizerBytes = size_t{256} << 20;

Status ReadTokenizerOfDirectory(const Checkpoint& checkpoint, ModelFiles& files) {
  std::error_code error;
  const std::filesystem::path tokenizer = checkpoint.path / "tokenizer.json";
  if (!std::filesystem::exists(tokenizer, error)) return {};
  files.tokenizer_json = OCTET_TRY(ReadTextFile(tokenizer, kMostTokenizerBytes));
  files.tokenizer =
      OCTET_TRY(Tokenizer::FromJson(files.tokenizer_json, checkpoint.tokenizer_config, tokenizer.native()));
  return {};
}

Status ReadTokenizerOfGguf(const GgufFile& gguf, ModelFiles& files) {
  if (!gguf.Has("tokenizer.ggml.tokens")) return {};
  files.tokenizer_json = OCTET_TRY(TokenizerJsonFromGguf(gguf));
  files.tokenizer = OCTET_TRY(Tokenizer::FromGguf(gguf));
  return {};
}

}  // namespace

Status ReadTextFiles(const Checkpoint& checkpoint, ModelFiles& files) {
  OCTET_TRY(checkpoint.gguf == nullptr ? ReadTokenizerOfDirectory(checkpoint, files)
                                       : ReadTokenizerOfGguf(*checkpoint.gguf, files));
  files.chat_template = OCTET_TRY(ReadChatTemplates(checkpoint)).text;
  return {};
}

}  // namespace octet
