#include "quantize/kv_scales.h"

#include "models/kv_scheme.h"
#include "numeric/bf16.h"

namespace octet {
namespace {

// A layer's tensors are those of its keys, then those of its values.
struct KvTensor {
  TensorSpec spec;
  const std::vector<float>& scales;
};

std::vector<KvTensor> TensorsOf(const KvLayerCheck& layer, Dialect dialect, bool per_head) {
  const bool is_modelopt = dialect == Dialect::kModelOpt;
  const Shape shape = is_modelopt ? Shape{} : per_head ? Shape{layer.heads.size(), 1, 1} : Shape{1};
  const DType dtype = is_modelopt ? DType::kF32 : DType::kBf16;
  return {{{Cat(layer.module, is_modelopt ? ".k_proj" : "", ".k_scale"), dtype, shape}, layer.key_scales},
          {{Cat(layer.module, is_modelopt ? ".v_proj" : "", ".v_scale"), dtype, shape}, layer.value_scales}};
}

const char* AlgorithmOf(const KvCheck& check) {
  return check.rounding.format == kernels::CacheFormat::kE4M3 ? "FP8" : "INT8";
}

const char* TypeOf(const KvCheck& check) {
  return check.rounding.format == kernels::CacheFormat::kE4M3 ? "float" : "int";
}

Json Arguments(const KvCheck& check, Dialect dialect) {
  if (dialect == Dialect::kModelOpt) return {{"dynamic", false}, {"num_bits", 8}, {"type", TypeOf(check)}};
  return {{"num_bits", 8},
          {"type", TypeOf(check)},
          {"strategy", check.rounding.per_head ? "attn_head" : "tensor"},
          {"symmetric", true},
          {"dynamic", false},
          {"group_size", nullptr},
          {"block_structure", nullptr},
          {"actorder", nullptr},
          {"observer", "static_minmax"},
          {"observer_kwargs", Json::object()}};
}

Json LayerReport(const KvCheck& check, size_t index) {
  const KvLayerCheck& layer = check.layers[index];
  Json heads = Json::array();
  for (const KvHeadCheck& head : layer.heads) {
    heads.push_back({{"key_amax", head.key_amax},
                     {"value_amax", head.value_amax},
                     {"error", head.error()},
                     {"dynamic_error", head.dynamic_error},
                     {"static_error", head.static_error},
                     {"attention_kl", head.attention_kl}});
  }
  return {{"layer", index},
          {"precision", layer.stays_bf16() ? "bf16" : KvName(check.rounding.format)},
          {"key_scales", layer.key_scales},
          {"value_scales", layer.value_scales},
          {"heads", std::move(heads)}};
}

}  // namespace

std::vector<TensorSpec> KvTensors(const QuantizePlan& plan) {
  std::vector<TensorSpec> specs;
  if (!plan.kv || !plan.kv->rounds_any()) return specs;
  for (const KvLayerCheck& layer : plan.kv->layers) {
    for (const KvTensor& tensor : TensorsOf(layer, plan.choices.dialect, plan.kv->rounding.per_head))
      specs.push_back(tensor.spec);
  }
  return specs;
}

Status WriteKvScales(const QuantizePlan& plan, ShardedSafetensorsWriter& writer) {
  if (!plan.kv || !plan.kv->rounds_any()) return {};
  for (const KvLayerCheck& layer : plan.kv->layers) {
    for (const KvTensor& tensor : TensorsOf(layer, plan.choices.dialect, plan.kv->rounding.per_head)) {
      std::vector<Bf16> narrow;
      for (const float scale : tensor.scales) narrow.push_back(ToBf16(scale));  // exact: quantize/kv_check.cpp
      OCTET_TRY(writer.Write(tensor.spec.name, tensor.spec.dtype == DType::kF32
                                                   ? std::as_bytes(std::span(tensor.scales))
                                                   : std::as_bytes(std::span(narrow))));
    }
  }
  return {};
}

void AddKvScheme(const KvCheck& check, Dialect dialect, Json& config) {
  if (!check.rounds_any()) return;
  config["quantization_config"]["kv_cache_scheme"] = Arguments(check, dialect);
  const std::vector<size_t> kept = check.Bf16Layers();
  if (!kept.empty()) config[kKvLayersKey] = {{kBf16LayersKey, kept}};
}

void AddKvAlgorithm(const KvCheck& check, Json& file) {
  if (check.rounds_any()) file["quantization"]["kv_cache_quant_algo"] = AlgorithmOf(check);
}

Json KvReport(const KvCheck& check, Dialect dialect) {
  Json layers = Json::array();
  for (size_t i = 0; i < check.layers.size(); ++i) layers.push_back(LayerReport(check, i));
  return {{"format", check.rounds_any() ? KvName(check.rounding.format) : "bf16"},
          {"wanted", KvName(check.rounding.format)},
          {"scales", check.rounding.per_head ? "head" : "tensor"},
          {"limit", kMostKvError},
          {"tokens", check.tokens},
          {"bf16_layers", check.Bf16Layers()},
          {"readers", Json::array({"octet", ReaderOf(dialect)})},
          {"layers", std::move(layers)}};
}

Status CheckKvLayout(const KvRounding& rounding, Dialect dialect) {
  if (dialect != Dialect::kModelOpt || !rounding.per_head) return {};
  return Fail(ErrorCode::kUnsupported,
              "ModelOpt has one scale for a layer's keys and one for its values; leave --kv-scales head or --dialect "
              "out");
}

}  // namespace octet
