// Attention in both directions: every token of a sequence sees all tokens of it, several sequences at once.
//
//   FullAttention attention = OCTET_TRY(FullAttention::Plan(context, shape, lengths));   // once per step
//   attention.Run(context, qkv, out);                                                    // per layer
//
// Each head of a sequence is the kernels' attention of one token at the sequence' last position, whose rows are the
// queries of all tokens: so it sees all keys, and every tier's kernel and its rounding serve here too. Causal attention
// over a cache: nn/attention.h.
#pragma once

#include <span>

#include "nn/execution_context.h"
#include "nn/kv_layout.h"

namespace octet::nn {

struct FullAttentionShape {
  size_t heads = 0;
  float scale = 1;
  const KvLayout* layout =
      nullptr;  // of one layer with as many key heads: their widths, and the type that they round to
  // Null, or what distance adds to the scaled scores of head h: bias[h * bias_head_stride + key - query]. Read up to
  // kPagePositions numbers further than a sequence is long.
  const float* bias = nullptr;
  size_t bias_head_stride = 0;
};

class FullAttention {
 public:
  // Memory of the workspace for sequences of these many tokens. Fails with exhausted where the workspace does.
  static Result<FullAttention> Plan(ExecutionContext& context, const FullAttentionShape& shape,
                                    std::span<const size_t> lengths);

  // One parallel region, shared by sequence and head.
  //   qkv [rows, heads * (2 * key_dim + value_dim)]   queries, keys, values; rows of all sequences in order
  //   out [rows, heads * value_dim]
  void Run(ExecutionContext& context, const float* qkv, float* out) const;

 private:
  struct Sequence {
    size_t first_row = 0;
    size_t tokens = 0;
    std::span<std::byte*> pages;  // for the keys and values of all heads
  };

  Status TakePages(ExecutionContext& context, std::span<const size_t> lengths);
  void RunHead(const kernels::KernelTable& kernels, const Sequence& sequence, size_t head, const float* qkv,
               float* out) const;

  FullAttentionShape shape_;
  size_t rows_ = 0;
  std::span<Sequence> sequences_;
  float* queries_ = nullptr;   // [heads, rows, key_dim]
  float* attended_ = nullptr;  // [heads, rows, value_dim]
};

}  // namespace octet::nn
