#include "text/open_tokenizer.h"

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/octet_pack.h"

namespace octet {
namespace {

Result<Tokenizer> OpenJson(const std::filesystem::path& path) {
  const MappedFile file = OCTET_TRY(MappedFile::Open(path));
  const std::filesystem::path config_path = path.parent_path() / "tokenizer_config.json";
  Json config;
  if (std::filesystem::exists(config_path)) {
    const std::string text = OCTET_TRY(ReadTextFile(config_path));
    config = OCTET_TRY(ParseJson(text, config_path.string()));
  }
  return Tokenizer::FromJson(file.text(), config, path.string());
}

Result<Tokenizer> OpenPacked(const std::filesystem::path& path) {
  const std::shared_ptr<const OctetPack> pack = OCTET_TRY(OctetPack::Open(path));
  const std::string json = OCTET_TRY(pack->OptionalText("tokenizer.json"));
  if (json.empty())
    return Fail(ErrorCode::kNotFound, path, ": the pack has no tokenizer; it was built from a model without one");
  const Json config = OCTET_TRY(pack->OptionalJson("tokenizer_config.json"));
  return Tokenizer::FromJson(json, config, Cat(path, ": tokenizer.json"));
}

}  // namespace

Result<Tokenizer> OpenTokenizer(const std::filesystem::path& model) {
  std::error_code error;
  if (!std::filesystem::exists(model, error)) return Fail(ErrorCode::kNotFound, model, ": no such file or directory");
  if (std::filesystem::is_directory(model, error)) {
    if (std::filesystem::exists(model / "tokenizer.json", error)) return OpenJson(model / "tokenizer.json");
    return Fail(ErrorCode::kNotFound, model, ": the directory has no tokenizer.json");
  }
  if (model.extension() == ".json") return OpenJson(model);
  if (OctetPack::IsPack(model)) return OpenPacked(model);
  const std::shared_ptr<const GgufFile> file = OCTET_TRY(GgufFile::Open(model));
  return Tokenizer::FromGguf(*file);
}

}  // namespace octet
