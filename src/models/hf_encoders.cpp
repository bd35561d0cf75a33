// What config.json means for encoders.
#include <cmath>

#include "formats/bert_names.h"
#include "models/hf_families.h"

namespace octet {
namespace {

constexpr size_t kMaxTypes = 4096;
constexpr size_t kMaxLabels = 65536;

// What the classifier gives: 0 where the checkpoint is another model around the encoder, whose head isn't run.
Result<size_t> ReadLabels(const ConfigFields& fields) {
  const Json* architectures = fields.FindOwn("architectures");
  const bool classifies = architectures != nullptr && architectures->is_array() && !architectures->empty() &&
                          architectures->front() == "BertForSequenceClassification";
  if (!classifies) return size_t{0};
  if (const Json* labels = fields.FindOwn("id2label"); labels != nullptr && labels->is_object() && !labels->empty())
    return labels->size();
  return OCTET_TRY(fields.OptionalSize("num_labels", kMaxLabels)).value_or(2);  // as transformers has it by default
}

}  // namespace

Status AdaptBert(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  const size_t head_dim = spec.hidden / sizes.heads;
  if (head_dim * sizes.heads != spec.hidden || head_dim > kernels::kMaxHeadDim) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `hidden_size` ", spec.hidden, " doesn't divide into ",
                sizes.heads, " heads of at most ", kernels::kMaxHeadDim, " numbers");
  }
  const std::string positions = OCTET_TRY(fields.Text("position_embedding_type"));
  if (positions != "absolute") {
    return Fail(ErrorCode::kUnsupported, fields.where(), ": positions of the type `", positions,
                "` are not known; known is absolute");
  }
  if (OCTET_TRY(fields.Flag("is_decoder")))
    return Fail(ErrorCode::kUnsupported, fields.where(), ": `is_decoder` makes an encoder causal, which isn't known");
  const ActivationKind activation = OCTET_TRY(ReadActivation(fields, "hidden_act"));
  const NormSpec norm{.kind = NormKind::kLayer, .eps = spec.final_norm.eps};
  spec.tied = false;  // heads over the vocabulary aren't run
  spec.tensor_prefix = BertPrefix(fields.config());
  spec.encoder = EncoderSpec{.type_vocab = OCTET_TRY(fields.Size("type_vocab_size", kMaxTypes)),
                             .norm = norm,
                             .labels = OCTET_TRY(ReadLabels(fields))};
  for (LayerSpec& layer : spec.layers) {
    layer.sum_attn = layer.sum_ffn = norm;
    // The family has no `head_dim` and no groups of heads, whatever fields say so.
    layer.attn.kv_heads = sizes.heads;
    layer.attn.key_dim = layer.attn.value_dim = head_dim;
    layer.attn.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_dim)));
    layer.attn.q_bias = layer.attn.k_bias = layer.attn.v_bias = layer.attn.out_bias = true;
    layer.ffn = {.activation = activation, .width = layer.ffn.width, .bias = true, .gated = false};
  }
  return {};
}

}  // namespace octet
