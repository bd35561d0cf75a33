#include "nn/full_attention.h"

#include <algorithm>
#include <cstring>

namespace octet::nn {

using kernels::kPagePositions;

Result<FullAttention> FullAttention::Plan(ExecutionContext& context, const FullAttentionShape& shape,
                                          std::span<const size_t> lengths) {
  FullAttention attention;
  attention.shape_ = shape;
  for (const size_t tokens : lengths) attention.rows_ += tokens;
  OCTET_TRY(attention.TakePages(context, lengths));
  const KvLayout::Layer& layer = shape.layout->layer(0);
  attention.queries_ = OCTET_TRY(context.workspace.Floats(shape.heads * attention.rows_ * layer.key_dim));
  attention.attended_ = OCTET_TRY(context.workspace.Floats(shape.heads * attention.rows_ * layer.value_dim));
  return attention;
}

Status FullAttention::TakePages(ExecutionContext& context, std::span<const size_t> lengths) {
  const size_t bytes = shape_.layout->page_bytes();
  sequences_ = OCTET_TRY(context.workspace.Array<Sequence>(lengths.size()));
  size_t row = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const size_t count = KvLayout::PagesFor(lengths[i]);
    sequences_[i] = {.first_row = row, .tokens = lengths[i], .pages = {}};
    sequences_[i].pages = OCTET_TRY(context.workspace.Array<std::byte*>(count));
    auto* page = static_cast<std::byte*>(OCTET_TRY(context.workspace.Bytes(count * bytes)));
    for (size_t p = 0; p < count; ++p) sequences_[i].pages[p] = page + p * bytes;
    // What lies behind the last token must be finite.
    if (count != 0) std::memset(sequences_[i].pages[count - 1], 0, bytes);
    row += lengths[i];
  }
  return {};
}

void FullAttention::RunHead(const kernels::KernelTable& kernels, const Sequence& sequence, size_t head,
                            const float* qkv, float* out) const {
  const KvLayout::Layer& layer = shape_.layout->layer(0);
  const size_t format = static_cast<size_t>(layer.format), heads = shape_.heads;
  const size_t key_offset = shape_.layout->KeyOffset(0, head), value_offset = shape_.layout->ValueOffset(0, head);
  const size_t row_stride = heads * (2 * layer.key_dim + layer.value_dim), first = head * rows_ + sequence.first_row;
  float* const queries = queries_ + first * layer.key_dim;
  for (size_t token = 0; token < sequence.tokens; ++token) {
    const float* row = qkv + (sequence.first_row + token) * row_stride;
    std::copy_n(row + head * layer.key_dim, layer.key_dim, queries + token * layer.key_dim);
    std::byte* page = sequence.pages[token / kPagePositions];
    kernels.store_cache[format](row + (heads + head) * layer.key_dim,
                                row + 2 * heads * layer.key_dim + head * layer.value_dim, layer.key_dim,
                                layer.value_dim, token % kPagePositions, page + key_offset, page + value_offset);
  }
  float* const attended = attended_ + first * layer.value_dim;
  kernels::AttendArgs args;
  args.query = queries;
  args.tokens = 1;
  args.group = sequence.tokens;
  args.first_position = sequence.tokens - 1;
  args.pages = sequence.pages.data();
  args.key_offset = key_offset;
  args.value_offset = value_offset;
  args.key_dim = layer.key_dim;
  args.value_dim = layer.value_dim;
  args.scale = shape_.scale;
  if (shape_.bias != nullptr) {
    args.bias = shape_.bias + head * shape_.bias_head_stride;
    args.bias_stride = -1;  // row r is token r: what position p adds depends on p - r
  }
  args.out = attended;
  kernels.attend[format](args);
  float* const place = out + sequence.first_row * heads * layer.value_dim + head * layer.value_dim;
  for (size_t token = 0; token < sequence.tokens; ++token)
    std::copy_n(attended + token * layer.value_dim, layer.value_dim, place + token * heads * layer.value_dim);
}

void FullAttention::Run(ExecutionContext& context, const float* qkv, float* out) const {
  context.pool.ForEachShare(sequences_.size() * shape_.heads, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const Sequence& sequence = sequences_[item / shape_.heads];
      if (sequence.tokens != 0) RunHead(context.kernels, sequence, item % shape_.heads, qkv, out);
    }
  });
}

}  // namespace octet::nn
