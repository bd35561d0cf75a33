// `octet show`: what a model consists of.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/counted.h"
#include "base/message.h"
#include "cli/verb.h"
#include "engine/pack/pack_index.h"
#include "formats/checkpoint.h"
#include "models/hf_config.h"
#include "models/integer_matrix.h"
#include "models/nvfp4_matrix.h"
#include "models/weights.h"

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

// A model of any kind, as far as it is shown.
struct ShownModel {
  std::filesystem::path path;
  std::string kind;
  std::string quantisation;       // empty for none
  std::optional<ModelSpec> spec;  // none for a vocabulary
  std::vector<TensorInfo> tensors;
  size_t input_scales = 0;   // static ones that products may round inputs by; all where the model can't be loaded
  size_t unused_scales = 0;  // of inputs, beside these
  size_t cache_scales = 0;   // static ones of keys and values
  std::string problem = {};  // why the model can't be loaded, empty where it can
};

// By the file's own name of the type, in the order of first appearance.
std::vector<std::pair<std::string, TypeTotal>> PrecisionMapOf(const std::vector<TensorInfo>& tensors) {
  std::vector<std::pair<std::string, TypeTotal>> types;
  for (const TensorInfo& info : tensors) {
    auto type =
        std::find_if(types.begin(), types.end(), [&](const auto& entry) { return entry.first == info.stored_type; });
    if (type == types.end()) type = types.insert(types.end(), {info.stored_type, {}});
    ++type->second.tensors;
    type->second.weights += ElementCount(info.shape).value_or(0);
    type->second.bytes += info.stored_bytes;
  }
  return types;
}

uint64_t StoredBytes(const std::vector<TensorInfo>& tensors) {
  uint64_t bytes = 0;
  for (const TensorInfo& info : tensors) bytes += info.stored_bytes;
  return bytes;
}

std::string QuantisationOf(const Json& config) {
  const Json* quantisation = FindMember(config, "quantization_config");
  const Json* method =
      quantisation != nullptr && quantisation->is_object() ? FindMember(*quantisation, "quant_method") : nullptr;
  return method != nullptr && method->is_string() ? method->get<std::string>() : std::string();
}

void Rename(std::string_view codes, const Shape& shape, std::string type, ShownModel& model) {
  const auto found = std::find_if(model.tensors.begin(), model.tensors.end(),
                                  [&](const TensorInfo& info) { return info.name == codes; });
  found->shape = shape;
  found->stored_type = std::move(type);
}

// Packed codes by what they hold, not by the words that they lie in. What contradicts itself is shown as it is stored.
void NameCodes(const Checkpoint& checkpoint, ShownModel& model) {
  const DeclaredIntegers declared = ReadDeclaredIntegers(checkpoint.config);
  const std::vector<WeightSlot> slots = WeightSlots(*model.spec);
  for (const WeightSlot& slot : slots) {
    const Result<std::optional<IntegerMatrix>> found = FindIntegerMatrix(*checkpoint.tensors, slot, declared);
    if (!found || !*found) continue;
    const IntegerMatrix& matrix = **found;
    if (matrix.block) continue;  // which the file's own name says
    Rename(matrix.codes, {matrix.rows, matrix.columns},
           matrix.bits == 8 && matrix.groups == 1 ? "INT8" : Cat("INT", matrix.bits, " g", matrix.group), model);
  }
  for (const WeightSlot& slot : slots) {
    const Result<std::optional<Nvfp4Matrix>> found = FindNvfp4Matrix(*checkpoint.tensors, slot);
    if (found && *found) Rename((*found)->codes, {(*found)->rows, (*found)->columns}, "NVFP4", model);
    const Result<std::optional<MxMatrix>> mx = FindMxMatrix(*checkpoint.tensors, slot);
    if (mx && *mx) Rename((*mx)->codes, {(*mx)->rows, (*mx)->columns}, (*mx)->is_e4m3 ? "MXFP8" : "MXFP4", model);
  }
}

Result<ShownModel> OfCheckpoint(const std::filesystem::path& path) {
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(path));
  ShownModel model{.path = path,
                   .kind = checkpoint.kind,
                   .quantisation = QuantisationOf(checkpoint.config),
                   .spec = std::nullopt,
                   .tensors = checkpoint.tensors->tensors()};
  model.input_scales = std::count_if(model.tensors.begin(), model.tensors.end(), [](const TensorInfo& info) {
    return info.name.ends_with(".input_scale") || info.name.ends_with(".input_global_scale");
  });
  model.cache_scales = std::count_if(model.tensors.begin(), model.tensors.end(), [](const TensorInfo& info) {
    return info.name.ends_with(".k_scale") || info.name.ends_with(".v_scale");
  });
  if (model.tensors.empty()) return model;
  model.spec = OCTET_TRY(ReadHfConfig(checkpoint.config, (checkpoint.gguf ? path : path / "config.json").native()));
  NameCodes(checkpoint, model);
  ThreadPool pool(1);  // of the calling thread alone; nothing is packed
  const Result<CheckpointWeights> weights = CheckpointWeights::Open(checkpoint, *model.spec, ComputeType::kAuto, pool);
  if (!weights) {
    model.problem = weights.error().message;
    return model;
  }
  model.unused_scales = model.input_scales - weights->input_scales();
  model.input_scales = weights->input_scales();
  return model;
}

// Columns of a packed matrix are the rows of the tensor that it was made from.
TensorInfo OfEntry(const PackEntry& entry) {
  constexpr std::string_view kTypes[kernels::kWeightFormats] = {"F32",       "BF16",     "F8_E4M3",  "F8_E4M3 b128",
                                                                "NVFP4",     "INT8",     "INT4 g32", "INT4 g64",
                                                                "INT4 g128", "INT4 z32", "INT4 z64", "INT4 z128"};
  TensorInfo info;
  info.name = entry.name;
  info.stored_type = kTypes[static_cast<size_t>(entry.format)];
  info.shape = entry.is_matrix ? Shape{entry.columns, entry.depth} : Shape{entry.columns};
  info.stored_bytes = entry.data.size() + entry.scales.size_bytes() + entry.bias.size_bytes();
  return info;
}

Result<ShownModel> OfPack(const std::filesystem::path& path) {
  const std::shared_ptr<const OctetPack> pack = OCTET_TRY(OctetPack::Open(path));
  const std::string_view text = OCTET_TRY(pack->Text("config.json"));
  const Json config = OCTET_TRY(ParseJson(text, path.native()));
  ShownModel model{
      .path = path, .kind = "octet", .quantisation = QuantisationOf(config), .spec = std::nullopt, .tensors = {}};
  model.spec = OCTET_TRY(ReadHfConfig(config, path.native()));
  for (const PackEntry& entry : OCTET_TRY(ReadPackIndex(*pack))) {
    model.tensors.push_back(OfEntry(entry));
    if (entry.input_scale != 0) ++model.input_scales;
  }
  return model;
}

Result<ShownModel> OpenShown(const std::filesystem::path& path) {
  return OctetPack::IsPack(path) ? OfPack(path) : OfCheckpoint(path);
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
          {"encoder", spec.encoder.has_value()},
          {"parameters", spec.Parameters()}};
}

std::vector<size_t> Bf16CacheLayers(const ModelSpec& spec) {
  std::vector<size_t> layers;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i].attn.cache == kernels::CacheFormat::kBf16) layers.push_back(i);
  }
  return layers;
}

// Whether the cache has the type that the file asks for.
bool HasCacheType(const ModelSpec& spec) {
  return std::any_of(spec.layers.begin(), spec.layers.end(), [](const LayerSpec& layer) { return layer.attn.cache; });
}

Json CacheJson(const ShownModel& model) {
  if (!model.spec || model.spec->kv_scheme.empty()) return nullptr;
  return {{"scheme", model.spec->kv_scheme},
          {"is_used", HasCacheType(*model.spec)},
          {"bf16_layers", Bf16CacheLayers(*model.spec)},
          {"static_scales", model.cache_scales}};
}

// Empty where the file says nothing of the cache.
std::string CacheText(const ShownModel& model) {
  const Json cache = CacheJson(model);
  if (cache.is_null()) return {};
  const std::string scheme = SafeMessage(model.spec->kv_scheme);
  if (!HasCacheType(*model.spec))
    return fmt::format("cache: the file asks for {}, which isn't known; bf16, or what --kv says\n", scheme);
  std::string kept;
  for (const size_t layer : Bf16CacheLayers(*model.spec)) kept += fmt::format("{}{}", kept.empty() ? "" : ", ", layer);
  return fmt::format(
      "cache: {} with a scale for each token and head{}{}\n", scheme, kept.empty() ? "" : ", bf16 in layers " + kept,
      model.cache_scales == 0 ? ""
                              : fmt::format("; {} for other readers", Counted(model.cache_scales, "static scale")));
}

Json ModelJson(const ShownModel& model) {
  Json precision = Json::array(), tensors = Json::array();
  for (const auto& [type, total] : PrecisionMapOf(model.tensors)) {
    precision.push_back(
        {{"type", type}, {"tensors", total.tensors}, {"weights", total.weights}, {"bytes", total.bytes}});
  }
  for (const TensorInfo& info : model.tensors) {
    tensors.push_back(
        {{"name", info.name}, {"type", info.stored_type}, {"shape", info.shape}, {"bytes", info.stored_bytes}});
  }
  return {{"path", model.path.native()},
          {"kind", model.kind},
          {"spec", model.spec ? SpecJson(*model.spec) : Json(nullptr)},
          {"quantisation", model.quantisation.empty() ? Json(nullptr) : Json(model.quantisation)},
          {"input_scales", model.input_scales},
          {"unused_input_scales", model.unused_scales},
          {"kv_cache", CacheJson(model)},
          {"problem", model.problem.empty() ? Json(nullptr) : Json(model.problem)},
          {"bytes", StoredBytes(model.tensors)},
          {"precision", std::move(precision)},
          {"tensors", std::move(tensors)}};
}

std::string SpecText(const ModelSpec& spec) {
  const LayerSpec& layer = spec.layers.front();
  return fmt::format(
      "{}, hidden {}, feed-forward {}, {} over {} of {}, vocabulary {}{}, context {}{}\n"
      "{:.1f} million parameters\n",
      Counted(spec.layers.size(), "layer"), spec.hidden, layer.ffn.width, Counted(layer.attn.heads, "head"),
      Counted(layer.attn.kv_heads, "key head"), layer.attn.key_dim, spec.vocab, spec.tied ? " (tied head)" : "",
      spec.max_positions,
      !spec.encoder               ? ""
      : spec.encoder->labels == 0 ? ", encoder"
                                  : Cat(", encoder with a head of ", spec.encoder->labels),
      static_cast<double>(spec.Parameters()) / 1e6);
}

// Names are a file's word: one with control characters must not speak to the terminal.
std::string TensorText(const std::vector<TensorInfo>& tensors) {
  std::string text = fmt::format("\n{:<56}{:<10}{:<16}{:>13}\n", "tensor", "type", "shape", "bytes");
  for (const TensorInfo& info : tensors) {
    text += fmt::format("{:<56}{:<10}{:<16}{:>13}\n", SafeMessage(info.name), info.stored_type, ToText(info.shape),
                        info.stored_bytes);
  }
  return text;
}

std::string ModelText(const ShownModel& model) {
  std::string text =
      fmt::format("{}: {}{}{}\n", model.path.native(), model.kind, model.spec ? ", " + model.spec->family : "",
                  model.quantisation.empty() ? "" : fmt::format(", quantised ({})", SafeMessage(model.quantisation)));
  if (!model.spec) return text + "a vocabulary without tensors\n";
  text += SpecText(*model.spec);
  text += fmt::format("\n{:<10}{:>8}{:>15}{:>13}\n", "type", "tensors", "weights", "bytes");
  for (const auto& [type, total] : PrecisionMapOf(model.tensors)) {
    text += fmt::format("{:<10}{:>8}{:>15}{:>13}\n", type, total.tensors, total.weights, total.bytes);
  }
  if (model.input_scales > 0) {
    text += fmt::format("{} of inputs: used with --activations fp8 or nvfp4, not with bf16\n",
                        Counted(model.input_scales, "static scale"));
  }
  if (model.unused_scales > 0)
    text += fmt::format("{} of inputs for other readers\n", Counted(model.unused_scales, "static scale"));
  text += CacheText(model);
  text += fmt::format("{:.1f} MB of weights\n", static_cast<double>(StoredBytes(model.tensors)) / 1e6);
  return model.problem.empty() ? text : text + fmt::format("can't be run: {}\n", SafeMessage(model.problem));
}

Status Show(const ShowOptions& options, Invocation& call) {
  const ShownModel model = OCTET_TRY(OpenShown(call.word(0)));
  if (call.json()) return call.PrintJson(ModelJson(model));
  return call.Print(ModelText(model) + (options.tensors ? TensorText(model.tensors) : ""));
}

const RegisterVerb kShow(MakeVerb<ShowOptions>({.name = "show",
                                                .words = "MODEL",
                                                .summary = "spec, tensors, precision map and sizes of a model",
                                                .example = "octet show build/models/fp8 --tensors"},
                                               Show));

}  // namespace
}  // namespace octet::cli
