#include "models/encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "models/encoder_parts.h"

namespace octet {
namespace {

Result<EncoderLayer> LoadEncoderLayer(const ModelSpec& spec, size_t index, WeightProvider& weights) {
  const LayerSpec& block = spec.layers[index];
  const size_t key = block.attn.heads * block.attn.key_dim, value = block.attn.heads * block.attn.value_dim;
  EncoderLayer layer;
  layer.qkv = OCTET_TRY(LoadJoined(weights, LayerSlot(index, "attn.qkv"), {key, key, value}, spec.hidden));
  layer.out = OCTET_TRY(LoadMatrix(weights, LayerSlot(index, "attn.out"), spec.hidden, value));
  layer.attn_norm = OCTET_TRY(LoadNorm(block.sum_attn, spec.hidden, weights, LayerSlot(index, "attn.norm")));
  layer.in = OCTET_TRY(LoadMatrix(weights, LayerSlot(index, "ffn.in"), block.ffn.width, spec.hidden));
  layer.down = OCTET_TRY(LoadMatrix(weights, LayerSlot(index, "ffn.down"), spec.hidden, block.ffn.width));
  layer.ffn_norm = OCTET_TRY(LoadNorm(block.sum_ffn, spec.hidden, weights, LayerSlot(index, "ffn.norm")));
  return layer;
}

Result<nn::KvLayout> LayoutOf(const ModelSpec& spec, std::span<const EncoderLayer> layers) {
  bool all_f32 = true;
  const auto check = [&](const PackedMatrix& m) { all_f32 = all_f32 && m.format == kernels::WeightFormat::kF32; };
  for (const EncoderLayer& layer : layers) ForEachMatrix(layer, check);
  const AttnSpec& attn = spec.layers.front().attn;
  const nn::KvLayout::Layer layer{.kv_heads = attn.heads,
                                  .key_dim = attn.key_dim,
                                  .value_dim = attn.value_dim,
                                  .format = all_f32 ? kernels::CacheFormat::kF32 : kernels::CacheFormat::kBf16};
  return nn::KvLayout::Make({&layer, 1});
}

Status CheckRun(const Encoder::Run& run, size_t index, const ModelSpec& spec) {
  if (run.tokens.empty() || run.tokens.size() > spec.max_positions) {
    return Fail(ErrorCode::kInvalidArgument, "sequence ", index, " has ", run.tokens.size(),
                " tokens, the model reads 1 to ", spec.max_positions);
  }
  if (run.first_text < run.tokens.size() && spec.encoder->type_vocab < 2) {
    return Fail(ErrorCode::kInvalidArgument, "sequence ", index, " is a pair of texts, the model reads one (",
                spec.encoder->type_vocab, " type of tokens)");
  }
  for (const int32_t token : run.tokens) {
    if (token >= 0 && static_cast<size_t>(token) < spec.vocab) continue;
    return Fail(ErrorCode::kInvalidArgument, "sequence ", index, ": token id ", token, " is outside the vocabulary of ",
                spec.vocab);
  }
  return {};
}

// The rows' product in memory of the workspace, [rows, matrix.columns].
Result<float*> Product(nn::ExecutionContext& context, const PackedMatrix& matrix, const float* x, size_t rows) {
  const nn::Rows input{x, matrix.depth, rows, matrix.depth};
  float* out = OCTET_TRY(context.workspace.Floats(rows * matrix.columns));
  const nn::PackedRows packed = OCTET_TRY(nn::PackRows(context, matrix, input, [](size_t, size_t) {}));
  nn::Multiply(context, matrix, packed, out, matrix.columns);
  return out;
}

}  // namespace

Encoder::Encoder(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

const ModelSpec& Encoder::spec() const { return parts_->spec; }
Status Encoder::CheckActivations(nn::ActivationMode mode) const { return parts_->activations.Check(mode); }

Result<Encoder> Encoder::Load(ModelSpec spec, WeightProvider& weights) {
  if (!spec.encoder) {
    return Fail(ErrorCode::kUnsupported, "the model (`", spec.family,
                "`) is a decoder, which writes text; it gives no embeddings here");
  }
  auto parts = std::make_unique<Parts>();
  parts->words = OCTET_TRY(LoadMatrix(weights, "embedding", spec.vocab, spec.hidden));
  parts->positions = OCTET_TRY(LoadMatrix(weights, "positions", spec.PositionRows(), spec.hidden));
  if (spec.encoder->type_vocab != 0)
    parts->types = OCTET_TRY(LoadMatrix(weights, "types", spec.encoder->type_vocab, spec.hidden));
  if (spec.encoder->relative_bias) parts->relative_bias = OCTET_TRY(RelativeBias::Load(spec, weights));
  parts->norm = OCTET_TRY(LoadNorm(spec.encoder->norm, spec.hidden, weights, "embedding_norm"));
  for (size_t index = 0; index < spec.layers.size(); ++index) {
    parts->layers.push_back(OCTET_TRY(LoadEncoderLayer(spec, index, weights)));
    ForEachMatrix(parts->layers.back(), [&](const PackedMatrix& matrix) { parts->activations.Add(matrix); });
  }
  if (spec.encoder->labels != 0) {
    parts->pooler = OCTET_TRY(LoadMatrix(weights, "pooler", spec.hidden, spec.hidden));
    parts->head = OCTET_TRY(LoadMatrix(weights, "head", spec.encoder->labels, spec.hidden));
  }
  parts->layout = OCTET_TRY(LayoutOf(spec, parts->layers));
  parts->spec = std::move(spec);
  return Encoder(std::move(parts));
}

Status Encoder::Forward(std::span<const Run> runs, nn::ExecutionContext& context, float* hidden,
                        Decoder::Observer* observer) const {
  for (size_t index = 0; index < runs.size(); ++index) OCTET_TRY(CheckRun(runs[index], index, parts_->spec));
  OCTET_TRY(context.workspace.Reset());
  EncoderPass pass(*parts_, runs, context, hidden, observer);
  OCTET_TRY(pass.Begin());
  pass.Embed();
  for (size_t index = 0; index < parts_->layers.size(); ++index) {
    if (context.cancel != nullptr) OCTET_TRY(context.cancel->Check());
    OCTET_TRY(pass.Layer(index));
  }
  pass.Finish();
  return {};
}

Status Encoder::Scores(const float* first, size_t rows, nn::ExecutionContext& context, float* scores) const {
  const size_t labels = parts_->spec.encoder->labels;
  if (labels == 0) {
    return Fail(ErrorCode::kUnsupported,
                "the encoder has no head that scores pairs of texts; models that have one name "
                "BertForSequenceClassification or their family's like in config.json");
  }
  OCTET_TRY(context.workspace.Reset());
  float* pooled = OCTET_TRY(Product(context, parts_->pooler, first, rows));
  for (size_t i = 0; i < rows * parts_->spec.hidden; ++i) pooled[i] = std::tanh(pooled[i]);
  const float* out = OCTET_TRY(Product(context, parts_->head, pooled, rows));
  std::copy_n(out, rows * labels, scores);
  return {};
}

}  // namespace octet
