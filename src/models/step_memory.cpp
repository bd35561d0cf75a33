#include "models/step_memory.h"

#include <algorithm>

#include "base/checked.h"
#include "kernels/layout.h"
#include "models/decoder_parts.h"

namespace octet {
namespace {

// Floats that a row of a step holds by the widest layer: the stream, its norm and a branch; queries, keys and values;
// attention's output; gate and up; angles. And the widest input once more as the products read it.
uint64_t RowBytes(const ModelSpec& spec, bool is_f32) {
  size_t qkv = 0, attended = 0, gate_up = 0, input = spec.hidden;
  for (const LayerSpec& layer : spec.layers) {
    const size_t width = layer.attn.heads * layer.attn.value_dim;
    qkv = std::max(qkv, QkvWidth(layer.attn));
    attended = std::max(attended, width);
    gate_up = std::max(gate_up, RowStride(2 * layer.ffn.width));
    input = std::max({input, width, layer.ffn.width});
  }
  size_t angles = 0;
  for (const nn::RopeSpec& rope : spec.ropes) angles += rope.dim;
  const size_t floats = 2 * spec.hidden + RowStride(spec.hidden) + qkv + attended + gate_up + angles;
  return floats * sizeof(float) + input * (is_f32 ? sizeof(float) : sizeof(uint16_t));
}

// What attention's pieces leave of each token that sees the whole context (nn/attention.cpp).
uint64_t PartialBytes(const ModelSpec& spec, const StepSize& size) {
  const size_t pieces = CeilDivide(size.context, kernels::kAttendPiece);
  if (pieces <= 1 || size.threads <= 1) return 0;
  uint64_t most = 0;
  for (const LayerSpec& layer : spec.layers) {
    most = std::max<uint64_t>(most, layer.attn.heads * kernels::PartialFloats(layer.attn.value_dim));
  }
  return most * size.sequences * pieces * sizeof(float);
}

}  // namespace

// Floats that a row holds: the stream, a branch, queries, keys and values twice (the second time apart for each head),
// attention's output twice, the feed-forward's width. And the widest input once more as the products read it.
uint64_t EncoderStepBytes(const ModelSpec& spec, size_t tokens, bool is_f32) {
  const AttnSpec& attn = spec.layers.front().attn;
  const size_t width = spec.layers.front().ffn.width, attended = attn.heads * attn.value_dim;
  const size_t floats = spec.hidden + RowStride(spec.hidden) + 2 * QkvWidth(attn) + 2 * attended + RowStride(width);
  const size_t input = std::max({spec.hidden, width, attended});
  return tokens * (floats * sizeof(float) + input * (is_f32 ? sizeof(float) : sizeof(uint16_t)));
}

uint64_t StepBytes(const ModelSpec& spec, const StepSize& size) {
  const uint64_t row = RowBytes(spec, size.is_f32);
  return std::max(size.tokens * row, size.sequences * row + PartialBytes(spec, size));
}

}  // namespace octet
