// What config.json means for encoders.
#include <cmath>

#include "formats/encoder_names.h"
#include "models/hf_families.h"
#include "models/relative_bias.h"

namespace octet {
namespace {

constexpr size_t kMaxTypes = 4096;
constexpr size_t kMaxLabels = 65536;

// What the classifier gives: 0 where the checkpoint is another model around the encoder, whose head isn't run.
Result<size_t> ReadLabels(const ConfigFields& fields) {
  if (!IsEncoderClass(fields.config(), "ForSequenceClassification")) return size_t{0};
  if (const Json* labels = fields.FindOwn("id2label"); labels != nullptr && labels->is_object() && !labels->empty())
    return labels->size();
  return OCTET_TRY(fields.OptionalSize("num_labels", kMaxLabels)).value_or(2);  // as transformers has it by default
}

// What all have; the spec's encoder and naming are the family's to complete.
Status AdaptEncoder(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  const size_t head_dim = spec.hidden / sizes.heads;
  if (head_dim * sizes.heads != spec.hidden || head_dim > kernels::kMaxHeadDim) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `hidden_size` ", spec.hidden, " doesn't divide into ",
                sizes.heads, " heads of at most ", kernels::kMaxHeadDim, " numbers");
  }
  if (OCTET_TRY(fields.Flag("is_decoder")))
    return Fail(ErrorCode::kUnsupported, fields.where(), ": `is_decoder` makes an encoder causal, which isn't known");
  const ActivationKind activation = OCTET_TRY(ReadActivation(fields, "hidden_act"));
  const NormSpec norm{.kind = NormKind::kLayer, .eps = spec.final_norm.eps};
  spec.tied = false;  // heads over the vocabulary aren't run
  spec.tensor_prefix = EncoderPrefix(fields.config());
  spec.encoder = EncoderSpec{.norm = norm, .labels = OCTET_TRY(ReadLabels(fields))};
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

// Positions begin behind the number `pad`, so that the table has fewer for tokens than it has rows.
Status CountPositionsFrom(int64_t pad, const ConfigFields& fields, ModelSpec& spec) {
  if (pad < 0 || static_cast<uint64_t>(pad) + 1 >= spec.max_positions) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": positions are counted from behind `pad_token_id` ", pad,
                ", which leaves none of `max_position_embeddings` ", spec.max_positions);
  }
  spec.encoder->pad = static_cast<int32_t>(pad);
  spec.max_positions -= static_cast<size_t>(pad) + 1;
  return {};
}

// BERT's tables: of types, and of positions that are counted and not relative.
Status ReadTables(const ConfigFields& fields, ModelSpec& spec) {
  const std::string positions = OCTET_TRY(fields.Text("position_embedding_type"));
  if (positions != "absolute") {
    return Fail(ErrorCode::kUnsupported, fields.where(), ": positions of the type `", positions,
                "` are not known; known is absolute");
  }
  spec.encoder->type_vocab = OCTET_TRY(fields.Size("type_vocab_size", kMaxTypes));
  return {};
}

}  // namespace

Status AdaptBert(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  OCTET_TRY(AdaptEncoder(fields, sizes, spec));
  return ReadTables(fields, spec);
}

Status AdaptRoberta(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  OCTET_TRY(AdaptEncoder(fields, sizes, spec));
  OCTET_TRY(ReadTables(fields, spec));
  spec.encoder->naming = EncoderNaming::kRoberta;
  const Json* pad = fields.Find("pad_token_id");
  if (pad == nullptr || !pad->is_number_integer()) {
    return Fail(ErrorCode::kCorrupt, fields.where(), ": `pad_token_id` is no integer, positions of `", spec.family,
                "` are counted from it");
  }
  return CountPositionsFrom(pad->get<int64_t>(), fields, spec);
}

Status AdaptMpnet(const ConfigFields& fields, const Sizes& sizes, ModelSpec& spec) {
  constexpr int64_t kPad = 1;  // the family's, whatever `pad_token_id` says
  OCTET_TRY(AdaptEncoder(fields, sizes, spec));
  const size_t buckets = OCTET_TRY(fields.Size("relative_attention_num_buckets", kMaxPositions));
  if (buckets != kRelativeBuckets) {
    return Fail(ErrorCode::kUnsupported, fields.where(), ": `relative_attention_num_buckets` is ", buckets,
                ", distances are sorted into ", kRelativeBuckets, " buckets");
  }
  spec.encoder->naming = EncoderNaming::kMpnet;
  spec.encoder->relative_bias = true;
  return CountPositionsFrom(kPad, fields, spec);
}

}  // namespace octet
