#include "quantize/compressed_tensors.h"

namespace octet {
namespace {

Json FloatArguments(std::string_view strategy, bool dynamic) {
  return {{"num_bits", 8},
          {"type", "float"},
          {"strategy", strategy},
          {"symmetric", true},
          {"dynamic", dynamic},
          {"group_size", nullptr},
          {"block_structure", nullptr},
          {"actorder", nullptr},
          {"observer", nullptr},
          {"observer_kwargs", Json::object()}};
}

}  // namespace

Json CompressedTensorsFp8(std::span<const std::string> ignored_modules) {
  Json group = {{"targets", Json::array({"Linear"})},
                {"weights", FloatArguments("channel", /*dynamic=*/false)},
                {"input_activations", FloatArguments("token", /*dynamic=*/true)},
                {"output_activations", nullptr}};
  Json ignored = Json::array();
  for (const std::string& module : ignored_modules) ignored.push_back(module);
  return {{"quant_method", "compressed-tensors"}, {"format", "float-quantized"},
          {"quantization_status", "compressed"},  {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},           {"config_groups", {{"group_0", std::move(group)}}},
          {"ignore", std::move(ignored)}};
}

}  // namespace octet
