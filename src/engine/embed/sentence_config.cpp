#include "engine/embed/sentence_config.h"

#include <algorithm>

#include "base/json_text.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr const char* kModules = "modules.json";
constexpr size_t kMostConfigBytes = size_t{1} << 20;

Result<Json> ReadConfigFile(const std::filesystem::path& path) {
  return ParseJson(OCTET_TRY(ReadTextFile(path, kMostConfigBytes)), path.native());
}

// Null where there is none.
Result<Json> ReadConfigIfThere(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Json(nullptr);
  return ReadConfigFile(path);
}

// A folder's name that a file gives: one step down, or none.
Result<std::filesystem::path> FolderOf(const Json& module, const std::filesystem::path& directory) {
  const std::string where = (directory / kModules).native();
  const std::string name = OCTET_TRY(GetString(module, "path", where));
  if (name.find_first_of("/\\") == std::string::npos && name != "..") return directory / name;
  return Fail(ErrorCode::kCorrupt, where, ": `path` is `", name, "`, the name of a folder is expected");
}

// Older files have a flag for each way, newer ones a name.
Status ReadPooling(const std::filesystem::path& path, SentenceConfig& config) {
  const Json file = OCTET_TRY(ReadConfigFile(path));
  std::string ways;
  if (const Json* mode = FindMember(file, "pooling_mode"); mode != nullptr && mode->is_string()) {
    ways = mode->get<std::string>();
  } else if (file.is_object()) {
    constexpr std::string_view kFlag = "pooling_mode_";
    for (const auto& [key, value] : file.items()) {
      if (key.starts_with(kFlag) && value == true) ways += Cat(ways.empty() ? "" : " and ", key.substr(kFlag.size()));
    }
  }
  if (ways == "mean" || ways == "mean_tokens") {
    config.pooling = Pooling::kMean;
  } else if (ways == "cls" || ways == "cls_token") {
    config.pooling = Pooling::kCls;
  } else {
    return Fail(ErrorCode::kUnsupported, path, ": pooling by `", ways, "` isn't known; known are mean and cls");
  }
  if (const Json* include = FindMember(file, "include_prompt"); include != nullptr && *include == false)
    return Fail(ErrorCode::kUnsupported, path, ": `include_prompt` false leaves tokens out, which isn't known");
  return {};
}

Status ReadModule(const Json& module, const std::filesystem::path& directory, SentenceConfig& config) {
  const std::string type = OCTET_TRY(GetString(module, "type", (directory / kModules).native()));
  const std::string name = type.substr(type.rfind('.') + 1);
  if (name == "Pooling") return ReadPooling(OCTET_TRY(FolderOf(module, directory)) / "config.json", config);
  if (name == "Normalize") {
    config.normalizes = true;
    return {};
  }
  if (name != "Transformer") {
    return Fail(ErrorCode::kUnsupported, directory / kModules, ": module `", type,
                "` isn't known; known are Transformer, Pooling and Normalize");
  }
  if (OCTET_TRY(FolderOf(module, directory)) != directory / "") {
    return Fail(ErrorCode::kUnsupported, directory / kModules,
                ": the encoder lies in a folder of its own; give that folder");
  }
  return {};
}

Status ReadModules(const std::filesystem::path& directory, SentenceConfig& config) {
  const Json modules = OCTET_TRY(ReadConfigIfThere(directory / kModules));
  if (modules.is_null()) return {};
  if (!modules.is_array())
    return Fail(ErrorCode::kCorrupt, directory / kModules, ": is ", modules.type_name(), ", a list is expected");
  for (const Json& module : modules) OCTET_TRY(ReadModule(module, directory, config));
  return {};
}

// The least of what the tokenizer, the positions and sentence-transformers' file allow: what it takes itself where the
// file says nothing.
Status ReadLength(const std::filesystem::path& directory, const ModelFiles& files, SentenceConfig& config) {
  config.max_tokens = files.spec.max_positions;
  const std::filesystem::path path = directory / "sentence_bert_config.json";
  const Json file = OCTET_TRY(ReadConfigIfThere(path));
  if (const Json* lower = FindMember(file, "do_lower_case"); lower != nullptr && *lower == true) {
    return Fail(ErrorCode::kUnsupported, path,
                ": `do_lower_case` lowers texts before the tokenizer, which isn't known; the tokenizer.json of an "
                "uncased model does it by itself");
  }
  const Json* length = FindMember(file, "max_seq_length");
  if (length == nullptr) length = FindMember(files.tokenizer_config, "model_max_length");
  if (length == nullptr || !length->is_number()) return {};
  const double wanted = length->get<double>();  // of tokenizers that have no limit a number beyond all integers
  if (wanted < 1) return Fail(ErrorCode::kCorrupt, path, ": texts of ", wanted, " tokens, at least 1 is expected");
  if (wanted < static_cast<double>(config.max_tokens)) config.max_tokens = static_cast<size_t>(wanted);
  return {};
}

Status ReadPrompt(const std::filesystem::path& directory, SentenceConfig& config) {
  const std::filesystem::path path = directory / "config_sentence_transformers.json";
  const Json file = OCTET_TRY(ReadConfigIfThere(path));
  const Json* name = FindMember(file, "default_prompt_name");
  if (name == nullptr || !name->is_string()) return {};
  const Json* prompts = FindMember(file, "prompts");
  const std::string where = path.native() + ": prompts";
  config.prompt = OCTET_TRY(GetString(prompts == nullptr ? Json::object() : *prompts, name->get<std::string>(), where));
  return {};
}

// Where config.json of a cross-encoder says what becomes of its label: once in a member of its own, later in an object.
Status ReadActivation(const std::filesystem::path& directory, const ModelFiles& files, SentenceConfig& config) {
  const Json* sentence = FindMember(files.config, "sentence_transformers");
  const Json* name = sentence == nullptr ? nullptr : FindMember(*sentence, "activation_fn");
  if (name == nullptr) name = FindMember(files.config, "sbert_ce_default_activation_function");
  if (name == nullptr || !name->is_string()) return {};
  const std::string text = name->get<std::string>();
  if (text.ends_with(".Identity")) {
    config.score_is_logistic = false;
  } else if (!text.ends_with(".Sigmoid")) {
    return Fail(ErrorCode::kUnsupported, directory / "config.json", ": the activation `", text,
                "` of scores isn't known; known are Sigmoid and Identity");
  }
  return {};
}

}  // namespace

Result<SentenceConfig> ReadSentenceConfig(const std::filesystem::path& directory, const ModelFiles& files) {
  SentenceConfig config;
  OCTET_TRY(ReadModules(directory, config));
  OCTET_TRY(ReadLength(directory, files, config));
  OCTET_TRY(ReadPrompt(directory, config));
  if (files.spec.encoder && files.spec.encoder->labels != 0) OCTET_TRY(ReadActivation(directory, files, config));
  return config;
}

}  // namespace octet
