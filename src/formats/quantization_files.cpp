#include "formats/quantization_files.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr size_t kMaximumBytes = size_t{64} << 20;
constexpr const char* kKey = "quantization_config";
constexpr const char* kLayers = "quantized_layers";

constexpr std::string_view kMethods[] = {"compressed-tensors",
                                         "modelopt",
                                         "modelopt_fp4",
                                         "modelopt_mxfp8",
                                         "fp8",
                                         "fbgemm_fp8",
                                         "mxfp8",
                                         "mxfp4",
                                         "awq",
                                         "gptq",
                                         "auto-round",
                                         "intel/auto-round"};

// The object in a file; null where there is none.
Result<Json> ReadObject(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Json(nullptr);
  const std::string text = OCTET_TRY(ReadTextFile(path, kMaximumBytes));
  Json json = OCTET_TRY(ParseJson(text, path.native()));
  if (!json.is_object()) return Fail(ErrorCode::kCorrupt, path, ": is ", json.type_name(), ", an object is expected");
  return json;
}

const Json* FindText(const Json& object, const char* key) {
  const Json* found = object.is_object() ? FindMember(object, key) : nullptr;
  return found != nullptr && found->is_string() ? found : nullptr;
}

// ModelOpt's own file. Its content is in config.json too, in other words, but for what older versions wrote.
Status ReadModelOpt(const std::filesystem::path& path, Json& config) {
  const Json file = OCTET_TRY(ReadObject(path));
  const Json* quantization = file.is_null() ? nullptr : FindMember(file, "quantization");
  if (quantization == nullptr || !quantization->is_object()) return {};
  if (!config.contains(kKey)) {
    config[kKey] = *quantization;
    config[kKey]["quant_method"] = "modelopt";
    return {};
  }
  const Json* layers = FindMember(*quantization, kLayers);
  if (layers != nullptr && config[kKey].is_object() && !config[kKey].contains(kLayers)) config[kKey][kLayers] = *layers;
  const Json* cache = FindText(*quantization, "kv_cache_quant_algo");
  if (cache != nullptr && config[kKey].is_object() && FindMember(config[kKey], "kv_cache_scheme") == nullptr)
    config[kKey]["kv_cache_quant_algo"] = *cache;
  const Json *here = FindText(*quantization, "quant_algo"), *there = FindText(config[kKey], "quant_algo");
  if (here == nullptr || there == nullptr || *here == *there) return {};
  return Fail(ErrorCode::kCorrupt, path, ": says quant_algo ", here->get<std::string>(),
              ", the quantization_config of config.json says ", there->get<std::string>());
}

}  // namespace

Status ReadQuantizationFiles(const std::filesystem::path& directory, Json& config) {
  if (const Json* present = FindMember(config, kKey); present != nullptr && present->is_null()) config.erase(kKey);
  OCTET_TRY(ReadModelOpt(directory / "hf_quant_config.json", config));
  for (const auto& [file, method] :
       {std::pair{"quantize_config.json", "gptq"}, std::pair{"quant_config.json", "awq"}}) {
    if (config.contains(kKey)) return {};
    Json content = OCTET_TRY(ReadObject(directory / file));
    if (content.is_null()) continue;
    if (FindText(content, "quant_method") == nullptr) content["quant_method"] = method;
    config[kKey] = std::move(content);
  }
  return {};
}

Status CheckQuantizationMethod(const Json& config, const std::filesystem::path& path) {
  const Json* quantization = FindMember(config, kKey);
  const Json* method = quantization == nullptr ? nullptr : FindText(*quantization, "quant_method");
  if (method == nullptr) return {};
  const auto& name = method->get_ref<const std::string&>();
  if (std::find(std::begin(kMethods), std::end(kMethods), name) != std::end(kMethods)) return {};
  std::string known;
  for (const std::string_view each : kMethods) known += Cat(known.empty() ? "" : ", ", each);
  return Fail(ErrorCode::kUnsupported, path, ": is quantised by `", name, "`, which isn't known; known are ", known);
}

std::string QuantizationAlgorithm(const Json& config, std::string_view module) {
  const Json* quantization = FindMember(config, kKey);
  if (quantization == nullptr || !quantization->is_object()) return "";
  const Json* layers = FindMember(*quantization, kLayers);
  const Json* layer =
      layers != nullptr && layers->is_object() ? FindMember(*layers, std::string(module).c_str()) : nullptr;
  const Json* algorithm = FindText(layer != nullptr ? *layer : *quantization, "quant_algo");
  return algorithm == nullptr ? "" : algorithm->get<std::string>();
}

}  // namespace octet
