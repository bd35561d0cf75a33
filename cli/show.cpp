// `octet show`: what a model consists of.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/verb.h"
#include "formats/checkpoint.h"
#include "models/hf_config.h"

namespace octet::cli {
namespace {

struct ShowOptions {
  bool tensors = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ShowOptions::tensors, "tensors", "list every tensor; --json always does");
  }
};

// Tensors of one stored type together.
struct TypeTotal {
  size_t tensors = 0;
  uint64_t weights = 0;
  uint64_t bytes = 0;
};

// By the file's own name of the type, in the order of first appearance.
std::vector<std::pair<std::string, TypeTotal>> PrecisionMapOf(const TensorSource& source) {
  std::vector<std::pair<std::string, TypeTotal>> types;
  for (const TensorInfo& info : source.tensors()) {
    auto type = std::find_if(types.begin(), types.end(), [&](const auto& entry) { return entry.first == info.stored_type; });
    if (type == types.end()) type = types.insert(types.end(), {info.stored_type, {}});
    ++type->second.tensors;
    type->second.weights += ElementCount(info.shape).value_or(0);
    type->second.bytes += info.stored_bytes;
  }
  return types;
}

uint64_t StoredBytes(const TensorSource& source) {
  uint64_t bytes = 0;
  for (const TensorInfo& info : source.tensors()) bytes += info.stored_bytes;
  return bytes;
}

std::string_view QuantisationOf(const Checkpoint& checkpoint) {
  const Json* config = FindMember(checkpoint.config, "quantization_config");
  const Json* method = config != nullptr && config->is_object() ? FindMember(*config, "quant_method") : nullptr;
  return method != nullptr && method->is_string() ? std::string_view(method->get_ref<const std::string&>()) : std::string_view();
}

Json SpecJson(const ModelSpec& spec) {
  const LayerSpec& layer = spec.layers.front();
  return {{"family", spec.family},
          {"layers", spec.layers.size()},
          {"hidden", spec.hidden},
          {"feed_forward", layer.ffn.width},
          {"heads", layer.attn.heads},
          {"kv_heads", layer.attn.kv_heads},
          {"head_dim", layer.attn.key_dim},
          {"vocab", spec.vocab},
          {"context", spec.max_positions},
          {"tied", spec.tied},
          {"parameters", spec.Parameters()}};
}

Json ModelJson(const Checkpoint& checkpoint, const std::optional<ModelSpec>& spec) {
  Json precision = Json::array(), tensors = Json::array();
  for (const auto& [type, total] : PrecisionMapOf(*checkpoint.tensors)) {
    precision.push_back({{"type", type}, {"tensors", total.tensors}, {"weights", total.weights}, {"bytes", total.bytes}});
  }
  for (const TensorInfo& info : checkpoint.tensors->tensors()) {
    tensors.push_back({{"name", info.name}, {"type", info.stored_type}, {"shape", info.shape}, {"bytes", info.stored_bytes}});
  }
  const std::string_view quantisation = QuantisationOf(checkpoint);
  return {{"path", checkpoint.path.native()},
          {"kind", checkpoint.kind},
          {"spec", spec ? SpecJson(*spec) : Json(nullptr)},
          {"quantisation", quantisation.empty() ? Json(nullptr) : Json(quantisation)},
          {"bytes", StoredBytes(*checkpoint.tensors)},
          {"precision", std::move(precision)},
          {"tensors", std::move(tensors)}};
}

std::string SpecText(const ModelSpec& spec) {
  const LayerSpec& layer = spec.layers.front();
  return fmt::format(
      "{} layers, hidden {}, feed-forward {}, {} heads over {} key heads of {}, vocabulary {}{}, context {}\n"
      "{:.1f} million parameters\n",
      spec.layers.size(), spec.hidden, layer.ffn.width, layer.attn.heads, layer.attn.kv_heads, layer.attn.key_dim, spec.vocab,
      spec.tied ? " (tied head)" : "", spec.max_positions, static_cast<double>(spec.Parameters()) / 1e6);
}

std::string TensorText(const TensorSource& source) {
  std::string text = fmt::format("\n{:<56}{:<9}{:<16}{:>13}\n", "tensor", "type", "shape", "bytes");
  for (const TensorInfo& info : source.tensors()) {
    text += fmt::format("{:<56}{:<9}{:<16}{:>13}\n", info.name, info.stored_type, ToText(info.shape), info.stored_bytes);
  }
  return text;
}

std::string ModelText(const Checkpoint& checkpoint, const std::optional<ModelSpec>& spec) {
  const std::string_view quantisation = QuantisationOf(checkpoint);
  std::string text = fmt::format("{}: {}{}{}\n", checkpoint.path.native(), checkpoint.kind, spec ? ", " + spec->family : "",
                                 quantisation.empty() ? "" : fmt::format(", quantised ({})", quantisation));
  if (!spec) return text + "a vocabulary without tensors\n";
  text += SpecText(*spec);
  text += fmt::format("\n{:<9}{:>9}{:>15}{:>13}\n", "type", "tensors", "weights", "bytes");
  for (const auto& [type, total] : PrecisionMapOf(*checkpoint.tensors)) {
    text += fmt::format("{:<9}{:>9}{:>15}{:>13}\n", type, total.tensors, total.weights, total.bytes);
  }
  return text + fmt::format("{:.1f} MB of weights\n", static_cast<double>(StoredBytes(*checkpoint.tensors)) / 1e6);
}

Status Show(const ShowOptions& options, Invocation& call) {
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(call.word(0)));
  std::optional<ModelSpec> spec;
  if (!checkpoint.tensors->tensors().empty()) {
    spec = OCTET_TRY(ReadHfConfig(checkpoint.config, Cat(checkpoint.path, checkpoint.gguf ? "" : "/config.json")));
  }
  if (call.json()) return call.PrintJson(ModelJson(checkpoint, spec));
  return call.Print(ModelText(checkpoint, spec) + (options.tensors ? TensorText(*checkpoint.tensors) : ""));
}

const RegisterVerb kShow(MakeVerb<ShowOptions>({.name = "show",
                                                .words = "MODEL",
                                                .summary = "spec, tensors, precision map and sizes of a model",
                                                .example = "octet show build/models/fp8 --tensors"},
                                               Show));

}  // namespace
}  // namespace octet::cli
