#include "formats/checkpoint.h"

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/gguf_architecture.h"
#include "formats/gguf_config.h"
#include "formats/gguf_tensors.h"
#include "formats/octet_pack.h"
#include "formats/quantization_files.h"
#include "formats/safetensors.h"
#include "formats/settle_tensors.h"

namespace octet {
namespace {

constexpr size_t kMaximumConfigBytes = size_t{64} << 20;
constexpr size_t kNamesInMessage = 8;

// What a directory holds, for the message that something else was looked for.
std::string ListDirectory(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (names.empty()) return "nothing";
  std::sort(names.begin(), names.end());
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesInMessage); ++i) text += Cat(i == 0 ? "" : ", ", names[i]);
  if (names.size() > kNamesInMessage) text += Cat(" and ", names.size() - kNamesInMessage, " more");
  return text;
}

Result<Json> ReadJsonObject(const std::filesystem::path& path) {
  const std::string text = OCTET_TRY(ReadTextFile(path, kMaximumConfigBytes));
  Json json = OCTET_TRY(ParseJson(text, path.native()));
  if (!json.is_object()) return Fail(ErrorCode::kCorrupt, path, ": is ", json.type_name(), ", an object is expected");
  return json;
}

Result<Json> ReadOptionalJson(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Json(nullptr);
  return ReadJsonObject(path);
}

enum class Weights { kNeeded, kIfPresent };

Result<Checkpoint> OpenDirectory(const std::filesystem::path& directory, Weights weights) {
  std::error_code error;
  if (!std::filesystem::exists(directory / "config.json", error)) {
    return Fail(ErrorCode::kNotFound, directory, ": is not a model: config.json is missing, the directory holds ",
                ListDirectory(directory));
  }
  Checkpoint checkpoint;
  checkpoint.path = directory;
  checkpoint.kind = "huggingface";
  checkpoint.config = OCTET_TRY(ReadJsonObject(directory / "config.json"));
  OCTET_TRY(ReadQuantizationFiles(directory, checkpoint.config));
  checkpoint.generation_config = OCTET_TRY(ReadOptionalJson(directory / "generation_config.json"));
  checkpoint.tokenizer_config = OCTET_TRY(ReadOptionalJson(directory / "tokenizer_config.json"));
  if (weights == Weights::kNeeded || HoldsSafetensors(directory)) {
    checkpoint.tensors = OCTET_TRY(OpenSafetensors(directory));
    OCTET_TRY(SettleTensors(checkpoint));
  }
  return checkpoint;
}

Result<Checkpoint> OpenGguf(const std::filesystem::path& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.kind = "gguf";
  checkpoint.gguf = OCTET_TRY(GgufFile::Open(path));
  if (checkpoint.gguf->Has("split.count") && OCTET_TRY(checkpoint.gguf->GetInteger("split.count")) > 1) {
    return Fail(ErrorCode::kUnsupported, path, ": is one of several parts; join them with `gguf-split --merge` first");
  }
  const std::string_view name = OCTET_TRY(checkpoint.gguf->GetString("general.architecture"));
  const GgufArchitecture* architecture = FindGgufArchitecture(name);
  // A file that holds a vocabulary only is of use whatever model it belongs to.
  if (architecture == nullptr && !checkpoint.gguf->tensors().empty()) {
    return Fail(ErrorCode::kUnsupported, path, ": architecture `", name, "` isn't known; this build reads ",
                ListGgufArchitectures());
  }
  GgufConfig made = OCTET_TRY(MakeGgufConfig(*checkpoint.gguf, architecture));
  checkpoint.tensors = OCTET_TRY(MakeGgufTensorSource(checkpoint.gguf, architecture, made.config));
  checkpoint.config = std::move(made.config);
  checkpoint.generation_config = std::move(made.generation_config);
  checkpoint.tokenizer_config = std::move(made.tokenizer_config);
  return checkpoint;
}

Result<Checkpoint> OpenFile(const std::filesystem::path& path) {
  const MappedFile file = OCTET_TRY(MappedFile::Open(path));
  if (file.text().starts_with("GGUF")) return OpenGguf(path);
  if (OctetPack::HasMagic(file.bytes())) {
    return Fail(
        ErrorCode::kInvalidArgument, path,
        ": is an Octet pack, whose weights are in the order of the kernels; give the directory or the .gguf that "
        "it was made from");
  }
  if (path.extension() == ".safetensors") {
    return Fail(ErrorCode::kInvalidArgument, path, ": is one file of a model; give the directory that it stands in");
  }
  return Fail(ErrorCode::kInvalidArgument, path, ": is no model: ", Counted(file.size(), "byte"),
              " that don't begin with `GGUF`");
}

Result<Checkpoint> OpenModel(const std::filesystem::path& model, Weights weights) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(model, error);
  if (!std::filesystem::exists(status)) {
    return Fail(ErrorCode::kNotFound, model,
                ": doesn't exist; a model is a Hugging Face directory, a .gguf or a .octet file");
  }
  if (std::filesystem::is_directory(status)) return OpenDirectory(model, weights);
  return OpenFile(model);
}

}  // namespace

Result<Checkpoint> Checkpoint::Open(const std::filesystem::path& model) { return OpenModel(model, Weights::kNeeded); }

Result<Checkpoint> Checkpoint::OpenForPlan(const std::filesystem::path& model) {
  return OpenModel(model, Weights::kIfPresent);
}

}  // namespace octet
