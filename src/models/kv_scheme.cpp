#include "models/kv_scheme.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace octet {
namespace {

std::string UpperCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

// {"num_bits": 8, "type": "float"} is FP8, {"num_bits": 8, "type": "int"} INT8; others by their words.
std::string NameOfArguments(const Json& scheme) {
  const Json *bits = FindMember(scheme, "num_bits"), *type = FindMember(scheme, "type");
  const std::string kind = type != nullptr && type->is_string() ? type->get<std::string>() : "?";
  const int64_t width = bits != nullptr && bits->is_number_integer() ? bits->get<int64_t>() : 0;
  if (width == 8 && kind == "float") return "FP8";
  if (width == 8 && kind == "int") return "INT8";
  return Cat(kind, " of ", width, " bits");
}

// A word of ModelOpt's, or an early writer's "static", which was of FP8 alone. Empty for none.
std::string NameOfWord(const std::string& word) {
  const std::string upper = UpperCase(word);
  return upper == "NONE" ? "" : upper == "STATIC" ? "FP8" : upper;
}

// Empty where the key isn't there.
Result<std::string> NameAt(const Json& quantization, const char* key, std::string_view where) {
  const Json* value = FindMember(quantization, key);
  if (value == nullptr) return std::string();
  if (value->is_object()) return NameOfArguments(*value);
  if (value->is_string()) return NameOfWord(value->get<std::string>());
  return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", value->type_name(), ", an object or text is expected");
}

std::optional<kernels::CacheFormat> FormatNamed(std::string_view name) {
  if (name == "FP8") return kernels::CacheFormat::kE4M3;
  if (name == "INT8") return kernels::CacheFormat::kInt8;
  return std::nullopt;
}

Status KeepLayers(const Json& config, std::string_view where, ModelSpec& spec) {
  const Json* kept = FindMember(config, kKvLayersKey);
  const Json* layers = kept != nullptr && kept->is_object() ? FindMember(*kept, kBf16LayersKey) : nullptr;
  if (layers == nullptr) return {};
  for (const Json& layer : layers->is_array() ? *layers : Json::array({*layers})) {
    const int64_t index = layer.is_number_integer() ? layer.get<int64_t>() : -1;
    if (index < 0 || static_cast<uint64_t>(index) >= spec.layers.size()) {
      return Fail(ErrorCode::kCorrupt, where, ": `", kBf16LayersKey, "` of `", kKvLayersKey, "` holds ", layer.dump(),
                  ", layers are 0 to ", spec.layers.size() - 1);
    }
    spec.layers[static_cast<size_t>(index)].attn.cache = kernels::CacheFormat::kBf16;
  }
  return {};
}

}  // namespace

Status ReadKvScheme(const Json& config, std::string_view where, ModelSpec& spec) {
  const Json* quantization = FindMember(config, "quantization_config");
  if (quantization == nullptr || !quantization->is_object()) return {};
  const std::string scheme = OCTET_TRY(NameAt(*quantization, "kv_cache_scheme", where));
  const std::string algorithm = OCTET_TRY(NameAt(*quantization, "kv_cache_quant_algo", where));
  if (!scheme.empty() && !algorithm.empty() && scheme != algorithm) {
    return Fail(ErrorCode::kCorrupt, where, ": `kv_cache_scheme` is ", scheme, ", `kv_cache_quant_algo` is ", algorithm,
                "; one of them is wrong");
  }
  spec.kv_scheme = scheme.empty() ? algorithm : scheme;
  const std::optional<kernels::CacheFormat> format = FormatNamed(spec.kv_scheme);
  if (!format) return {};
  for (LayerSpec& layer : spec.layers) layer.attn.cache = format;
  return KeepLayers(config, where, spec);
}

kernels::CacheFormat CacheFormatOf(const AttnSpec& attn, std::optional<kernels::CacheFormat> wish,
                                   kernels::CacheFormat usual) {
  if (!wish) return attn.cache.value_or(usual);
  const bool stays = attn.cache == kernels::CacheFormat::kBf16 && kernels::HasCacheScales(*wish);
  return stays ? *attn.cache : *wish;
}

Result<nn::KvLayout> CacheLayout(std::span<const LayerSpec> layers, std::optional<kernels::CacheFormat> wish,
                                 kernels::CacheFormat usual) {
  std::vector<nn::KvLayout::Layer> shapes;
  for (const LayerSpec& layer : layers) {
    shapes.push_back({.kv_heads = layer.attn.kv_heads,
                      .key_dim = layer.attn.key_dim,
                      .value_dim = layer.attn.value_dim,
                      .format = CacheFormatOf(layer.attn, wish, usual)});
  }
  return nn::KvLayout::Make(shapes);
}

}  // namespace octet
