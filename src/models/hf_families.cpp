#include "models/hf_families.h"

#include <array>
#include <cmath>
#include <functional>
#include <optional>

#include "base/counted.h"
#include "base/json_text.h"
#include "models/hf_rope.h"

namespace octet {
namespace {

Status ReadActivations(const ConfigFields& fields, std::string_view key, ModelSpec& spec) {
  const ActivationKind kind = OCTET_TRY(ReadActivation(fields, key));
  for (LayerSpec& layer : spec.layers) layer.ffn.activation = kind;
  return {};
}

// One rule for all layers.
Status ReadOneRope(const ConfigFields& fields, const Sizes& sizes, bool is_phi3, ModelSpec& spec) {
  const RopeContext context{.head_dim = sizes.head_dim,
                            .max_positions = spec.max_positions,
                            .partial_allowed = is_phi3,
                            .su_is_longrope = is_phi3};
  spec.ropes.push_back(OCTET_TRY(ReadRope(fields, FindRopeParameters(fields), context)));
  return {};
}

void SetAttentionBias(bool query_key_value, bool out, ModelSpec& spec) {
  for (LayerSpec& layer : spec.layers) {
    layer.attn.q_bias = layer.attn.k_bias = layer.attn.v_bias = query_key_value;
    layer.attn.out_bias = out;
  }
}

// Layers that `layer_types` calls sliding, or `is_sliding` where the field is absent, get the window.
Status ReadWindows(const ConfigFields& fields, std::optional<size_t> window,
                   const std::function<bool(size_t)>& is_sliding, ModelSpec& spec) {
  const Json* types = fields.Find("layer_types");
  if (types != nullptr && (!types->is_array() || types->size() != spec.layers.size())) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `layer_types` is a list of ",
                types->is_array() ? types->size() : 0, ", expected one entry for each of ",
                Counted(spec.layers.size(), "layer"));
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    bool sliding = is_sliding(i);
    if (types != nullptr) {
      const Json& type = (*types)[i];
      sliding = type == "sliding_attention";
      if (!sliding && type != "full_attention") {
        return Fail(ErrorCode::kUnsupported, fields.where(), ": layer ", i, " is of type ", Dump(type),
                    "; known are sliding_attention, full_attention");
      }
    }
    if (sliding && !window) {
      return Fail(ErrorCode::kCorrupt, fields.where(), ": layer ", i, " slides, but `sliding_window` is not set");
    }
    spec.layers[i].attn.window = sliding ? *window : 0;
  }
  return {};
}

// Families whose layers are all alike.
Status ReadOneWindow(const ConfigFields& fields, std::optional<size_t> window, ModelSpec& spec) {
  OCTET_TRY(ReadWindows(
      fields, window, [&](size_t) { return window.has_value(); }, spec));
  for (const LayerSpec& layer : spec.layers) {
    if ((layer.attn.window != 0) != window.has_value()) {
      return Fail(ErrorCode::kUnsupported, fields.where(),
                  ": `layer_types` mixes attention types, which is not known for `", spec.family, "`");
    }
  }
  return {};
}

Status AdaptLlama(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  const bool bias = OCTET_TRY(fields.Flag("attention_bias"));
  SetAttentionBias(bias, bias, spec);
  const bool ffn_bias = OCTET_TRY(fields.Flag("mlp_bias"));
  for (LayerSpec& layer : spec.layers) layer.ffn.bias = ffn_bias;
  OCTET_TRY(ReadActivations(fields, "hidden_act", spec));
  OCTET_TRY(ReadOneWindow(fields, std::nullopt, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/false, spec);
}

Status AdaptMistral(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  OCTET_TRY(ReadActivations(fields, "hidden_act", spec));
  const auto window = OCTET_TRY(fields.OptionalSize("sliding_window", kMaxPositions));
  OCTET_TRY(ReadOneWindow(fields, window, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/false, spec);
}

// Qwen2 and Qwen3: layers from max_window_layers on slide, where sliding is switched on at all.
Status ReadQwenWindows(const ConfigFields& fields, ModelSpec& spec) {
  std::optional<size_t> window;
  if (OCTET_TRY(fields.Flag("use_sliding_window")))
    window = OCTET_TRY(fields.OptionalSize("sliding_window", kMaxPositions));
  size_t first = 0;
  if (const Json* layers = fields.Find("max_window_layers"); layers != nullptr && *layers != 0) {
    first = OCTET_TRY(fields.Size("max_window_layers", kMaxPositions));
  }
  return ReadWindows(
      fields, window, [&](size_t layer) { return window.has_value() && layer >= first; }, spec);
}

Status AdaptQwen2(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  SetAttentionBias(/*query_key_value=*/true, /*out=*/false, spec);
  OCTET_TRY(ReadActivations(fields, "hidden_act", spec));
  OCTET_TRY(ReadQwenWindows(fields, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/false, spec);
}

Status AdaptQwen3(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  const bool bias = OCTET_TRY(fields.Flag("attention_bias"));
  SetAttentionBias(bias, bias, spec);
  for (LayerSpec& layer : spec.layers) layer.attn.qk_norm = layer.pre_attn;
  OCTET_TRY(ReadActivations(fields, "hidden_act", spec));
  OCTET_TRY(ReadQwenWindows(fields, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/false, spec);
}

Status AdaptPhi3(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  spec.fused_qkv = spec.fused_gate_up = true;
  OCTET_TRY(ReadActivations(fields, "hidden_act", spec));
  const auto window = OCTET_TRY(fields.OptionalSize("sliding_window", kMaxPositions));
  OCTET_TRY(ReadOneWindow(fields, window, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/true, spec);
}

// What Gemma 2 and 3 share: (1 + w) norms on both sides of each branch, scaled embeddings, a score scale of its own.
Status AdaptGemma(const ConfigFields& fields, ModelSpec& spec) {
  spec.embed_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.final_norm.kind = NormKind::kRmsPlusOne;
  spec.final_softcap = static_cast<float>(OCTET_TRY(fields.OptionalPositive("final_logit_softcapping")).value_or(0));
  const double scale = 1 / std::sqrt(OCTET_TRY(fields.Positive("query_pre_attn_scalar")));
  const bool bias = OCTET_TRY(fields.Flag("attention_bias"));
  SetAttentionBias(bias, bias, spec);
  for (LayerSpec& layer : spec.layers) {
    layer.pre_attn = layer.pre_ffn = spec.final_norm;
    layer.post_attn = layer.post_ffn = spec.final_norm;
    layer.attn.scale = static_cast<float>(scale);
  }
  // Early files say `hidden_act` and mean the tanh form all the same; transformers reads `hidden_activation` alone.
  return ReadActivations(fields, "hidden_activation", spec);
}

Status AdaptGemma2(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  OCTET_TRY(AdaptGemma(fields, spec));
  const double softcap = OCTET_TRY(fields.OptionalPositive("attn_logit_softcapping")).value_or(0);
  for (LayerSpec& layer : spec.layers) layer.attn.softcap = static_cast<float>(softcap);
  const auto window = OCTET_TRY(fields.OptionalSize("sliding_window", kMaxPositions));
  OCTET_TRY(ReadWindows(
      fields, window, [](size_t layer) { return layer % 2 == 0; }, spec));
  return ReadOneRope(fields, sizes, /*is_phi3=*/false, spec);
}

// Sliding layers rotate by a rule of their own, which scaling doesn't touch.
Status ReadGemma3Ropes(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  RopeContext context{.head_dim = sizes.head_dim, .max_positions = spec.max_positions, .default_theta = 1e6};
  const Json* nested = fields.FindOwn("rope_parameters");
  const Json* full = nested == nullptr ? nullptr : FindMember(*nested, "full_attention");
  if (const Json* scaling = fields.FindOwn("rope_scaling")) full = scaling;
  spec.ropes.push_back(OCTET_TRY(ReadRope(fields, full, context)));

  Json sliding = Json::object();
  if (const Json* own = nested == nullptr ? nullptr : FindMember(*nested, "sliding_attention")) sliding = *own;
  if (sliding.is_object() && !sliding.contains("rope_theta")) {
    sliding["rope_theta"] = OCTET_TRY(fields.OptionalPositive("rope_local_base_freq")).value_or(1e4);
  }
  spec.ropes.push_back(OCTET_TRY(ReadRope(fields, &sliding, context)));
  for (LayerSpec& layer : spec.layers) layer.attn.rope_id = layer.attn.window != 0 ? 1 : 0;
  return {};
}

// `attn_logit_softcapping` is a field of Gemma 3's configuration, too, but transformers' Gemma3Attention has never
// applied it: norms of queries and keys took its place. It is passed over here, whatever it says.
Status AdaptGemma3(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  OCTET_TRY(AdaptGemma(fields, spec));
  for (LayerSpec& layer : spec.layers) layer.attn.qk_norm = layer.pre_attn;
  const auto window = OCTET_TRY(fields.OptionalSize("sliding_window", kMaxPositions));
  const size_t pattern = OCTET_TRY(fields.Size("sliding_window_pattern", kMaxLayers));
  OCTET_TRY(ReadWindows(
      fields, window, [&](size_t layer) { return (layer + 1) % pattern != 0; }, spec));
  return ReadGemma3Ropes(fields, sizes, spec);
}

// Ids of special tokens are left out: a file that doesn't name them has none.
constexpr std::array<Family, 11> kFamilies = {{
    {"bert",
     R"({"vocab_size":30522,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,"num_attention_heads":12,
         "hidden_act":"gelu","max_position_embeddings":512,"type_vocab_size":2,"layer_norm_eps":1e-12,
         "position_embedding_type":"absolute"})",
     AdaptBert, "layer_norm_eps"},
    {"gemma2",
     R"({"vocab_size":256000,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":26,"num_attention_heads":8,
         "num_key_value_heads":4,"head_dim":256,"hidden_activation":"gelu_pytorch_tanh","max_position_embeddings":8192,
         "rms_norm_eps":1e-6,"tie_word_embeddings":true,"query_pre_attn_scalar":256,"sliding_window":4096,
         "final_logit_softcapping":30.0,"attn_logit_softcapping":50.0,"eos_token_id":1,"bos_token_id":2})",
     AdaptGemma2},
    {"gemma3_text",
     R"({"vocab_size":262208,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":26,"num_attention_heads":8,
         "num_key_value_heads":4,"head_dim":256,"hidden_activation":"gelu_pytorch_tanh","max_position_embeddings":131072,
         "rms_norm_eps":1e-6,"tie_word_embeddings":true,"query_pre_attn_scalar":256,"sliding_window":4096,
         "sliding_window_pattern":6,"eos_token_id":1,"bos_token_id":2})",
     AdaptGemma3},
    {"llama",
     R"({"vocab_size":32000,"hidden_size":4096,"intermediate_size":11008,"num_hidden_layers":32,"num_attention_heads":32,
         "hidden_act":"silu","max_position_embeddings":2048,"rms_norm_eps":1e-6,"eos_token_id":2,"bos_token_id":1})",
     AdaptLlama},
    {"mistral",
     R"({"vocab_size":32000,"hidden_size":4096,"intermediate_size":14336,"num_hidden_layers":32,"num_attention_heads":32,
         "num_key_value_heads":8,"hidden_act":"silu","max_position_embeddings":131072,"rms_norm_eps":1e-6,"sliding_window":4096,
         "eos_token_id":2,"bos_token_id":1})",
     AdaptMistral},
    {"mpnet",
     R"({"vocab_size":30527,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,"num_attention_heads":12,
         "hidden_act":"gelu","max_position_embeddings":512,"layer_norm_eps":1e-12,"relative_attention_num_buckets":32})",
     AdaptMpnet, "layer_norm_eps"},
    {"phi3",
     R"({"vocab_size":32064,"hidden_size":3072,"intermediate_size":8192,"num_hidden_layers":32,"num_attention_heads":32,
         "hidden_act":"silu","max_position_embeddings":4096,"original_max_position_embeddings":4096,"rms_norm_eps":1e-5,
         "eos_token_id":32000,"bos_token_id":1})",
     AdaptPhi3},
    {"qwen2",
     R"({"vocab_size":151936,"hidden_size":4096,"intermediate_size":22016,"num_hidden_layers":32,"num_attention_heads":32,
         "num_key_value_heads":32,"hidden_act":"silu","max_position_embeddings":32768,"rms_norm_eps":1e-6,
         "use_sliding_window":false,"sliding_window":4096,"max_window_layers":28})",
     AdaptQwen2},
    {"qwen3",
     R"({"vocab_size":151936,"hidden_size":4096,"intermediate_size":22016,"num_hidden_layers":32,"num_attention_heads":32,
         "num_key_value_heads":32,"head_dim":128,"hidden_act":"silu","max_position_embeddings":32768,"rms_norm_eps":1e-6,
         "use_sliding_window":false,"sliding_window":4096,"max_window_layers":28})",
     AdaptQwen3},
    {"roberta",
     R"({"vocab_size":50265,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,"num_attention_heads":12,
         "hidden_act":"gelu","max_position_embeddings":512,"type_vocab_size":2,"layer_norm_eps":1e-12,
         "position_embedding_type":"absolute","pad_token_id":1})",
     AdaptRoberta, "layer_norm_eps"},
    {"xlm-roberta",
     R"({"vocab_size":30522,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,"num_attention_heads":12,
         "hidden_act":"gelu","max_position_embeddings":512,"type_vocab_size":2,"layer_norm_eps":1e-12,
         "position_embedding_type":"absolute","pad_token_id":1})",
     AdaptRoberta, "layer_norm_eps"},
}};

}  // namespace

Result<ActivationKind> ReadActivation(const ConfigFields& fields, std::string_view key) {
  const std::string name = OCTET_TRY(fields.Text(key));
  if (name == "silu" || name == "swish") return ActivationKind::kSilu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return ActivationKind::kGeluTanh;
  if (name == "gelu") return ActivationKind::kGeluErf;
  return Fail(ErrorCode::kUnsupported, fields.where(), ": activation `", name, "` in `", key,
              "` is not known; known are silu, gelu, gelu_pytorch_tanh");
}

std::span<const Family> KnownFamilies() { return kFamilies; }

}  // namespace octet
