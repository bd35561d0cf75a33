// Causal attention of new tokens over the paged cache, for several sequences at once.
//
//   AttentionPlan plan = OCTET_TRY(PlanAttention(context, sequences));        // once per step
//   OCTET_TRY(Attend(context, shape, plan, buffers));                         // per layer
//
// The new tokens' queries and keys are normed and rotated in place, keys and values stored in the pages, then attended.
// Work is shared over the threads by key head and page of new tokens; where these are few, as when decoding, also by
// pieces of 512 positions of the context, which changes no bit. Where a position lies in a page: nn/kv_layout.h.
#pragma once

#include <span>

#include "nn/execution_context.h"
#include "nn/kv_layout.h"

namespace octet::nn {

// New tokens of one sequence; their rows follow those of the sequence before in every buffer.
struct SequenceRows {
  size_t first_row = 0;
  size_t tokens = 0;
  size_t first_position = 0;
  std::span<std::byte* const> pages;
};

// New tokens of one sequence that share a page.
struct TokenBlock {
  const SequenceRows* sequence = nullptr;
  size_t first = 0;  // token within the sequence' new ones
  size_t count = 0;
  size_t first_partial = 0;  // tokens times pieces of the blocks before, where pieces are planned
};

// One of the pieces of the context (kernels::kAttendPiece) that a block sees.
struct TokenPiece {
  const TokenBlock* block = nullptr;
  size_t piece = 0;  // from position 0 on
};

struct AttentionPlan {
  std::span<const TokenBlock> blocks;
  std::span<const TokenPiece> pieces;  // of each block in turn, ascending; empty where sharing them can't pay
  size_t tokens = 0;
  bool one_block_each = false;  // no sequence has two blocks: storing and attending need no barrier between them
};

// Cuts the sequences' tokens at page boundaries; memory of the workspace. Blocks of a sequence are ordered so that long
// and short work alternate. Fails with exhausted where the workspace does.
Result<AttentionPlan> PlanAttention(ExecutionContext& context, std::span<const SequenceRows> sequences);

// What a layer's attention needs beside the tokens.
struct AttentionShape {
  size_t heads = 0, kv_heads = 0, key_dim = 0, value_dim = 0;
  float scale = 1, softcap = 0;
  size_t window = 0;
  size_t rope_half = 0;               // pairs of a head that rotate
  const float* query_norm = nullptr;  // [key_dim], or null for no norm
  const float* key_norm = nullptr;
  float norm_offset = 0, norm_eps = 0;
  const KvLayout* layout = nullptr;
  size_t layer = 0;
};

// Rows of all sequences, in order.
struct AttentionBuffers {
  float* qkv = nullptr;            // [rows, (heads + kv_heads) * key_dim + kv_heads * value_dim]: queries, keys, values
  const float* cosines = nullptr;  // [rows, rope_half]
  const float* sines = nullptr;
  float* out = nullptr;  // [rows, heads * value_dim]
};

// One parallel region where each sequence' new tokens lie in one page, else two, or three where pieces are shared; one
// thread alone never shares. Fails with exhausted where the workspace does.
Status Attend(ExecutionContext& context, const AttentionShape& shape, const AttentionPlan& plan,
              const AttentionBuffers& buffers);

}  // namespace octet::nn
