#include <utility>

#include "base/counted.h"
#include "models/decoder_parts.h"

namespace octet {
namespace {

Result<std::optional<NormWeights>> LoadOptionalNorm(const std::optional<NormSpec>& norm, size_t width,
                                                    WeightProvider& weights, const std::string& name) {
  if (!norm) return std::optional<NormWeights>();
  return std::optional<NormWeights>(OCTET_TRY(LoadNorm(*norm, width, weights, name)));
}

Status LoadAttention(const ModelSpec& spec, size_t index, WeightProvider& weights, LayerWeights& layer) {
  const LayerSpec& block = spec.layers[index];
  const AttnSpec& attn = block.attn;
  layer.attn_norm = OCTET_TRY(LoadNorm(block.pre_attn, spec.hidden, weights, LayerSlot(index, "attn.norm")));
  layer.qkv = OCTET_TRY(LoadJoined(
      weights, LayerSlot(index, "attn.qkv"),
      {attn.heads * attn.key_dim, attn.kv_heads * attn.key_dim, attn.kv_heads * attn.value_dim}, spec.hidden));
  layer.query_norm = OCTET_TRY(LoadOptionalNorm(attn.qk_norm, attn.key_dim, weights, LayerSlot(index, "attn.q_norm")));
  layer.key_norm = OCTET_TRY(LoadOptionalNorm(attn.qk_norm, attn.key_dim, weights, LayerSlot(index, "attn.k_norm")));
  layer.out = OCTET_TRY(LoadMatrix(weights, LayerSlot(index, "attn.out"), spec.hidden, attn.heads * attn.value_dim));
  layer.attn_post_norm =
      OCTET_TRY(LoadOptionalNorm(block.post_attn, spec.hidden, weights, LayerSlot(index, "attn.post_norm")));
  return {};
}

}  // namespace

Result<JoinedMatrices> LoadJoined(WeightProvider& weights, const std::string& name, std::vector<size_t> columns,
                                  size_t depth) {
  JoinedMatrices matrices;
  if (weights.Has(name)) {
    size_t total = 0;
    for (const size_t part : columns) total += part;
    matrices.push_back(OCTET_TRY(LoadMatrix(weights, name, total, depth)));
    return matrices;
  }
  const std::vector<std::string> parts = FusedParts(name);
  for (size_t i = 0; i < parts.size(); ++i) {
    matrices.push_back(OCTET_TRY(LoadMatrix(weights, parts[i], columns[i], depth)));
  }
  return matrices;
}

Result<NormWeights> LoadNorm(const NormSpec& norm, size_t width, WeightProvider& weights, std::string_view name) {
  NormWeights loaded{.weight = OCTET_TRY(weights.Vector(name)), .eps = norm.eps};
  loaded.offset = norm.kind == NormKind::kRmsPlusOne ? 1.0F : 0.0F;
  if (loaded.weight.size() != width) {
    return Fail(ErrorCode::kCorrupt, "norm ", name, " has ", Counted(loaded.weight.size(), "weight"),
                ", the model asks for ", width);
  }
  if (norm.kind != NormKind::kLayer) return loaded;
  loaded.shift = OCTET_TRY(weights.Vector(Cat(name, "_shift")));
  if (loaded.shift.size() != width) {
    return Fail(ErrorCode::kCorrupt, "norm ", name, " has ", loaded.shift.size(), " shifts, the model asks for ",
                width);
  }
  return loaded;
}

Result<PackedMatrix> LoadMatrix(WeightProvider& weights, std::string_view name, size_t columns, size_t depth) {
  PackedMatrix matrix = OCTET_TRY(weights.Matrix(name));
  const bool fits = matrix.columns == columns && matrix.depth == depth &&
                    matrix.panels.size() == kernels::PackedBytes(matrix.format, columns, depth) &&
                    (matrix.column_scales.empty() || matrix.column_scales.size() == columns) &&
                    (matrix.bias.empty() || matrix.bias.size() == columns);
  if (!fits) {
    return Fail(ErrorCode::kCorrupt, "matrix ", name, " is ", matrix.columns, " x ", matrix.depth, " in ",
                Counted(matrix.panels.size(), "byte"), ", the model asks for ", columns, " x ", depth, " in ",
                kernels::PackedBytes(matrix.format, columns, depth));
  }
  return matrix;
}

Result<LayerWeights> LoadLayer(const ModelSpec& spec, size_t index, WeightProvider& weights) {
  const LayerSpec& block = spec.layers[index];
  LayerWeights layer;
  OCTET_TRY(LoadAttention(spec, index, weights, layer));
  layer.ffn_norm = OCTET_TRY(LoadNorm(block.pre_ffn, spec.hidden, weights, LayerSlot(index, "ffn.norm")));
  layer.gate_up =
      OCTET_TRY(LoadJoined(weights, LayerSlot(index, "ffn.gate_up"), {block.ffn.width, block.ffn.width}, spec.hidden));
  layer.down = OCTET_TRY(LoadMatrix(weights, LayerSlot(index, "ffn.down"), spec.hidden, block.ffn.width));
  layer.ffn_post_norm =
      OCTET_TRY(LoadOptionalNorm(block.post_ffn, spec.hidden, weights, LayerSlot(index, "ffn.post_norm")));
  return layer;
}

}  // namespace octet
