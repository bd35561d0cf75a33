#include "quantize/compressed_tensors.h"

#include <algorithm>

namespace octet {
namespace {

Json Arguments(int bits, std::string_view type, std::string_view strategy, const Json& dynamic, const Json& group) {
  return {{"num_bits", bits},           {"type", type},
          {"strategy", strategy},       {"symmetric", true},
          {"dynamic", dynamic},         {"group_size", group},
          {"block_structure", nullptr}, {"actorder", nullptr},
          {"observer", nullptr},        {"observer_kwargs", Json::object()}};
}

Json Nvfp4Arguments(const TensorPrecision& tensor, const Json& dynamic) {
  Json arguments = Arguments(4, "float", "tensor_group", dynamic, tensor.group);
  arguments["scale_dtype"] = "torch.float8_e4m3fn";
  return arguments;
}

Json MxArguments(const TensorPrecision& tensor, bool dynamic) {
  Json arguments = Arguments(8, "float", "group", dynamic, tensor.group);
  for (const char* type : {"scale_dtype", "zp_dtype"}) arguments[type] = "torch.uint8";
  return arguments;
}

Json WeightArguments(const TensorPrecision& tensor) {
  switch (*tensor.encoding) {
    case Encoding::kE4M3:
      return Arguments(8, "float", "channel", /*dynamic=*/false, nullptr);
    case Encoding::kE4M3Tensor:
      return Arguments(8, "float", "tensor", /*dynamic=*/false, nullptr);
    case Encoding::kMxfp8:
      return MxArguments(tensor, /*dynamic=*/false);
    case Encoding::kE4M3Blocks: {
      Json arguments = Arguments(8, "float", "block", /*dynamic=*/false, nullptr);
      arguments["block_structure"] = {tensor.group, tensor.group};
      return arguments;
    }
    case Encoding::kNvfp4:
      return Nvfp4Arguments(tensor, /*dynamic=*/false);
    case Encoding::kInt8:
      return Arguments(8, "int", "channel", /*dynamic=*/false, nullptr);
    case Encoding::kInt4:
      break;
  }
  return Arguments(4, "int", "group", /*dynamic=*/false, tensor.group);
}

std::string_view Format(const TensorPrecision& tensor) {
  if (*tensor.encoding == Encoding::kMxfp8) return "mxfp8-quantized";
  if (IsE4M3(*tensor.encoding)) return "float-quantized";
  if (tensor.takes_int8_inputs) return "int-quantized";
  return *tensor.encoding == Encoding::kNvfp4 ? "nvfp4-pack-quantized" : "pack-quantized";
}

// What that library calls the observer; null where it has none like it.
Json ObserverName(const TensorPrecision& tensor) {
  if (tensor.observer == Observer::kAmax) return "static_minmax";
  return tensor.observer == Observer::kMse ? Json("mse") : Json(nullptr);
}

Json ActivationArguments(const TensorPrecision& tensor) {
  if (*tensor.encoding == Encoding::kE4M3Tensor) {
    Json arguments = Arguments(8, "float", "tensor", /*dynamic=*/false, nullptr);
    arguments["observer"] = ObserverName(tensor);
    return arguments;
  }
  if (tensor.rounds_inputs) {  // blocks' scales when it runs, the tensor's from the file
    Json arguments = Nvfp4Arguments(tensor, "local");
    arguments["observer"] = ObserverName(tensor);
    return arguments;
  }
  if (*tensor.encoding == Encoding::kMxfp8) return MxArguments(tensor, /*dynamic=*/true);
  if (*tensor.encoding == Encoding::kE4M3 || tensor.takes_e4m3_inputs)
    return Arguments(8, "float", "token", /*dynamic=*/true, nullptr);
  if (tensor.takes_int8_inputs) return Arguments(8, "int", "token", /*dynamic=*/true, nullptr);
  if (*tensor.encoding != Encoding::kE4M3Blocks) return nullptr;
  return Arguments(8, "float", "group", /*dynamic=*/true, tensor.group);
}

// Matrices that are stored alike.
struct Kind {
  const TensorPrecision* example = nullptr;
  std::vector<std::string_view> modules = {};

  bool is_head() const { return modules.size() == 1 && modules.front() == kHeadModule; }
};

bool IsStoredAlike(const TensorPrecision& a, const TensorPrecision& b) {
  return a.encoding == b.encoding && a.group == b.group && a.rounds_inputs == b.rounds_inputs &&
         a.takes_e4m3_inputs == b.takes_e4m3_inputs;
}

// The one of most modules first, the head's own behind those of layers.
std::vector<Kind> KindsOf(const PrecisionMap& map) {
  std::vector<Kind> kinds;
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.quantised()) continue;
    const auto same = std::find_if(kinds.begin(), kinds.end(),
                                   [&](const Kind& kind) { return IsStoredAlike(*kind.example, tensor); });
    Kind& kind = same != kinds.end() ? *same : kinds.emplace_back(Kind{.example = &tensor});
    kind.modules.push_back(ModuleOf(tensor.name));
  }
  std::stable_sort(kinds.begin(), kinds.end(), [](const Kind& a, const Kind& b) {
    return std::pair(!a.is_head(), a.modules.size()) > std::pair(!b.is_head(), b.modules.size());
  });
  return kinds;
}

Json Group(const TensorPrecision& tensor, Json targets) {
  return {{"targets", std::move(targets)},
          {"weights", WeightArguments(tensor)},
          {"input_activations", ActivationArguments(tensor)},
          {"output_activations", nullptr}};
}

}  // namespace

Json CompressedTensorsConfig(const PrecisionMap& map) {
  const std::vector<Kind> kinds = KindsOf(map);
  OCTET_CHECK(!kinds.empty());
  std::string_view format = Format(*kinds.front().example);
  const bool is_mixed =
      std::any_of(kinds.begin(), kinds.end(), [&](const Kind& kind) { return Format(*kind.example) != format; });
  Json groups = Json::object();
  for (size_t i = 0; i < kinds.size(); ++i) {
    const TensorPrecision& example = *kinds[i].example;
    // Names go before classes where readers look for a module's group.
    Json group = Group(example, i == 0 ? Json::array({"Linear"}) : Json(kinds[i].modules));
    // Where inputs are floats readers take integers for bytes unless the group itself says that they are packed.
    if (is_mixed || example.takes_e4m3_inputs) group["format"] = Format(example);
    groups[Cat("group_", i)] = std::move(group);
  }
  if (is_mixed) format = "mixed-precision";
  return {{"quant_method", "compressed-tensors"}, {"format", format},           {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},  {"kv_cache_scheme", nullptr}, {"config_groups", std::move(groups)},
          {"ignore", map.ignored_modules}};
}

}  // namespace octet
