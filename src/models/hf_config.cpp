#include "models/hf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/counted.h"
#include "base/log.h"
#include "kernels/layout.h"
#include "models/config_fields.h"
#include "models/hf_families.h"
#include "models/kv_scheme.h"

namespace octet {
namespace {

constexpr size_t kMaxHidden = size_t{1} << 17;
constexpr size_t kMaxHeads = 1024;
using kernels::kMaxHeadDim;
constexpr size_t kMaxFfn = size_t{1} << 20;
constexpr size_t kMaxVocab = size_t{1} << 24;

// Fields that other models use to change the computation. Values that leave it as it is pass: null, false, 0, 1, "".
constexpr std::array<std::string_view, 22> kForeignFields = {"alibi",
                                                             "attention_multiplier",
                                                             "clip_qkv",
                                                             "cross_attention_layers",
                                                             "embedding_multiplier",
                                                             "is_encoder_decoder",
                                                             "layernorm_bias",
                                                             "logit_scale",
                                                             "logits_scaling",
                                                             "n_shared_experts",
                                                             "no_rope_layers",
                                                             "num_experts",
                                                             "num_local_experts",
                                                             "parallel_residual",
                                                             "qk_layernorm",
                                                             "residual_multiplier",
                                                             "rope_interleaved",
                                                             "scale_depth",
                                                             "use_bidirectional_attention",
                                                             "use_qk_norm",
                                                             "use_parallel_residual",
                                                             "add_cross_attention"};

Status CheckForeignFields(const ConfigFields& fields) {
  for (std::string_view key : kForeignFields) {
    const Json* value = fields.FindOwn(key);
    if (value == nullptr || *value == false || *value == 0 || *value == 1 ||
        (value->is_string() && value->get_ref<const std::string&>().empty()) || (value->is_array() && value->empty()))
      continue;
    return Fail(ErrorCode::kUnsupported, fields.where(), ": `", key,
                "` changes what is computed, which Octet doesn't know for this model type");
  }
  return {};
}

Result<Sizes> ReadSizes(const ConfigFields& fields, ModelSpec& spec) {
  Sizes sizes;
  spec.vocab = OCTET_TRY(fields.Size("vocab_size", kMaxVocab));
  spec.hidden = OCTET_TRY(fields.Size("hidden_size", kMaxHidden));
  spec.max_positions = OCTET_TRY(fields.Size("max_position_embeddings", kMaxPositions));
  sizes.layers = OCTET_TRY(fields.Size("num_hidden_layers", kMaxLayers));
  sizes.heads = OCTET_TRY(fields.Size("num_attention_heads", kMaxHeads));
  sizes.kv_heads = OCTET_TRY(fields.OptionalSize("num_key_value_heads", kMaxHeads)).value_or(sizes.heads);
  if (sizes.heads % sizes.kv_heads != 0) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `num_attention_heads` ", sizes.heads,
                " is not a multiple of `num_key_value_heads` ", sizes.kv_heads);
  }
  const std::optional<size_t> head_dim = OCTET_TRY(fields.OptionalSize("head_dim", kMaxHeadDim));
  if (!head_dim && spec.hidden % sizes.heads != 0) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `hidden_size` ", spec.hidden,
                " is not a multiple of `num_attention_heads` ", sizes.heads, " and there is no `head_dim`");
  }
  sizes.head_dim = head_dim.value_or(spec.hidden / sizes.heads);
  if (sizes.head_dim > kMaxHeadDim) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": heads of ", Counted(sizes.head_dim, "number"),
                ", expected at most ", kMaxHeadDim);
  }
  return sizes;
}

Result<std::vector<int32_t>> ReadTokenIds(const ConfigFields& fields, std::string_view key, size_t vocab) {
  std::vector<int32_t> ids;
  const Json* value = fields.Find(key);
  if (value == nullptr) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    if (!id.is_number_integer()) {
      return Fail(ErrorCode::kCorrupt, fields.where(), ": `", key, "` holds ", id.type_name(),
                  ", integers are expected");
    }
    const int64_t token = id.get<int64_t>();
    if (token >= 0 && token < static_cast<int64_t>(vocab)) {
      ids.push_back(static_cast<int32_t>(token));
    } else if (fields.FindOwn(key) != nullptr) {  // a family's default may lie outside a small vocabulary
      // Published files name tokens that were cut off later; they can't be chosen.
      LogDebug(fields.where(), ": `", key, "` ", token, " is outside the vocabulary of ", vocab, " and passed over");
    }
  }
  return ids;
}

// Everything that has one meaning in all families.
Result<Sizes> ReadCommon(const ConfigFields& fields, const char* norm_eps, ModelSpec& spec) {
  const Sizes sizes = OCTET_TRY(ReadSizes(fields, spec));
  spec.dtype = OCTET_TRY(fields.Text("dtype"));
  if (spec.dtype.empty()) spec.dtype = OCTET_TRY(fields.Text("torch_dtype"));
  spec.tied = OCTET_TRY(fields.Flag("tie_word_embeddings"));
  spec.eos_ids = OCTET_TRY(ReadTokenIds(fields, "eos_token_id", spec.vocab));
  const std::vector<int32_t> bos = OCTET_TRY(ReadTokenIds(fields, "bos_token_id", spec.vocab));
  if (!bos.empty()) spec.bos_id = bos.front();

  const double eps = OCTET_TRY(fields.NonNegative(norm_eps));
  if (eps >= 1)
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `", norm_eps, "` is ", eps, ", expected a number below 1");
  spec.final_norm = {.kind = NormKind::kRms, .eps = static_cast<float>(eps)};
  LayerSpec layer{.pre_attn = spec.final_norm, .pre_ffn = spec.final_norm};
  layer.attn = {
      .heads = sizes.heads, .kv_heads = sizes.kv_heads, .key_dim = sizes.head_dim, .value_dim = sizes.head_dim};
  layer.attn.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(sizes.head_dim)));
  layer.ffn.width = OCTET_TRY(fields.Size("intermediate_size", kMaxFfn));
  spec.layers.assign(sizes.layers, layer);
  return sizes;
}

Result<const Family*> FindFamily(const Json& config, std::string_view where) {
  if (!config.is_object())
    return Fail(ErrorCode::kCorrupt, where, ": ", config.type_name(), " where an object is expected");
  const std::string type = OCTET_TRY(GetString(config, "model_type", where));
  std::string known;
  for (const Family& family : KnownFamilies()) {
    if (family.model_type == type) return &family;
    known += known.empty() ? "" : ", ";
    known += family.model_type;
  }
  return Fail(ErrorCode::kUnsupported, where, ": model type `", type, "` is not known; known are ", known);
}

// The length that a model reaches by its rope's stretching, of which `max_position_embeddings` may say nothing. Llama 3
// and longrope files have the stretched one there already, and so has Gemma 3, whose other rope isn't stretched at all.
size_t StretchedContext(const ModelSpec& spec) {
  if (spec.ropes.size() != 1) return spec.max_positions;
  const nn::RopeSpec& rope = spec.ropes.front();
  const bool stretches_all = rope.kind == nn::RopeKind::kLinear || rope.kind == nn::RopeKind::kDynamic;
  if (!stretches_all && rope.kind != nn::RopeKind::kYarn) return spec.max_positions;
  const size_t trained = rope.kind == nn::RopeKind::kYarn ? rope.original_max : spec.max_positions;
  const double stretched = static_cast<double>(trained) * rope.factor;
  return std::max(spec.max_positions, static_cast<size_t>(std::min(stretched, static_cast<double>(kMaxPositions))));
}

}  // namespace

Result<ModelSpec> ReadHfConfig(const Json& config, std::string_view where) {
  const Family* family = OCTET_TRY(FindFamily(config, where));
  const Json defaults = OCTET_TRY(ParseJson(family->defaults, family->model_type));
  const ConfigFields fields(config, defaults, where);
  ModelSpec spec;
  spec.family = family->model_type;
  OCTET_TRY(CheckForeignFields(fields));
  const Sizes sizes = OCTET_TRY(ReadCommon(fields, family->norm_eps, spec));
  OCTET_TRY(family->adapt(fields, sizes, spec));
  spec.max_positions = StretchedContext(spec);  // the rope's own numbers stay the file's
  OCTET_TRY(ReadKvScheme(config, where, spec));
  return spec;
}

std::vector<std::string_view> KnownModelTypes() {
  std::vector<std::string_view> types;
  for (const Family& family : KnownFamilies()) types.push_back(family.model_type);
  return types;
}

}  // namespace octet
