#include "quantize/modelopt.h"

#include <algorithm>

namespace octet {
namespace {

constexpr const char* kMixed = "MIXED_PRECISION";

// The name of an encoding, and its arguments as quantization_config has them.
struct Algorithm {
  const char* name = "";
  int bits = 8;
  const char* type = "float";
  bool rounds_inputs = true;
};

Algorithm AlgorithmOf(const TensorPrecision& tensor) {
  switch (*tensor.encoding) {
    case Encoding::kE4M3:
      return {.name = "FP8_PER_CHANNEL_PER_TOKEN"};
    case Encoding::kMxfp8:
      return {.name = "MXFP8"};
    case Encoding::kNvfp4:
      return {.name = tensor.rounds_inputs ? "NVFP4" : "W4A16_NVFP4", .bits = 4, .rounds_inputs = tensor.rounds_inputs};
    case Encoding::kInt8:
      return {.name = "W8A16", .type = "int", .rounds_inputs = false};
    case Encoding::kInt4:
      return {.name = "W4A16_AWQ", .bits = 4, .type = "int", .rounds_inputs = false};
    case Encoding::kE4M3Tensor:
    case Encoding::kE4M3Blocks:  // CheckLayouts refuses it
      break;
  }
  return {.name = "FP8"};
}

// What hf_quant_config.json says of a module, or of all.
Json Settings(const TensorPrecision& tensor) {
  Json settings = {{"quant_algo", AlgorithmOf(tensor).name}};
  if (tensor.group != 0) settings["group_size"] = tensor.group;
  if (*tensor.encoding == Encoding::kInt4) {
    settings["has_zero_point"] = false;
    settings["pre_quant_scale"] = false;
  }
  return settings;
}

Json ModelOptGroup(const TensorPrecision& tensor, Json targets) {
  const Algorithm algorithm = AlgorithmOf(tensor);
  Json arguments = {{"dynamic", false}, {"num_bits", algorithm.bits}, {"type", algorithm.type}};
  if (tensor.group != 0) arguments["group_size"] = tensor.group;
  Json group = {{"weights", arguments}, {"targets", std::move(targets)}};
  if (*tensor.encoding == Encoding::kE4M3 || *tensor.encoding == Encoding::kInt8)
    group["weights"]["strategy"] = "channel";
  if (algorithm.rounds_inputs) group["input_activations"] = std::move(arguments);
  return group;
}

const TensorPrecision& FirstQuantised(const PrecisionMap& map) {
  const auto first = std::find_if(map.tensors.begin(), map.tensors.end(),
                                  [](const TensorPrecision& tensor) { return tensor.quantised(); });
  OCTET_CHECK(first != map.tensors.end());
  return *first;
}

bool IsMixed(const PrecisionMap& map) {
  const Json settings = Settings(FirstQuantised(map));
  return std::any_of(map.tensors.begin(), map.tensors.end(),
                     [&](const TensorPrecision& tensor) { return tensor.quantised() && Settings(tensor) != settings; });
}

Json QuantizedLayers(const PrecisionMap& map) {
  Json layers = Json::object();
  for (const TensorPrecision& tensor : map.tensors) {
    if (tensor.quantised()) layers[std::string(ModuleOf(tensor.name))] = Settings(tensor);
  }
  return layers;
}

// Of the dialect, which is what readers look for.
Json Producer() { return {{"name", "modelopt"}, {"version", "octet"}}; }

// Modules of each kind by name.
Json MixedGroups(const PrecisionMap& map) {
  std::vector<std::pair<const TensorPrecision*, Json>> kinds;  // an example and the modules like it
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.quantised()) continue;
    const auto same = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const auto& kind) { return Settings(*kind.first) == Settings(tensor); });
    Json& targets = same != kinds.end() ? same->second : kinds.emplace_back(&tensor, Json::array()).second;
    targets.push_back(ModuleOf(tensor.name));
  }
  Json groups = Json::object();
  for (size_t i = 0; i < kinds.size(); ++i) groups[Cat("group_", i)] = ModelOptGroup(*kinds[i].first, kinds[i].second);
  return groups;
}

}  // namespace

Json ModelOptFile(const PrecisionMap& map) {
  Json quantization;
  if (IsMixed(map)) {
    quantization = {{"quant_algo", kMixed}, {"quantized_layers", QuantizedLayers(map)}};
  } else {
    quantization = Settings(FirstQuantised(map));
    quantization["exclude_modules"] = map.ignored_modules;
  }
  quantization["kv_cache_quant_algo"] = nullptr;
  return {{"producer", Producer()}, {"quantization", std::move(quantization)}};
}

Json ModelOptConfig(const PrecisionMap& map) {
  const TensorPrecision& first = FirstQuantised(map);
  const bool is_mixed = IsMixed(map);
  Json groups = is_mixed ? MixedGroups(map) : Json{{"group_0", ModelOptGroup(first, Json::array({"Linear"}))}};
  Json config = {{"quant_method", "modelopt"},
                 {"quant_algo", is_mixed ? kMixed : AlgorithmOf(first).name},
                 {"config_groups", std::move(groups)},
                 {"ignore", map.ignored_modules},
                 {"producer", Producer()}};
  if (is_mixed) config["quantized_layers"] = QuantizedLayers(map);
  return config;
}

}  // namespace octet
