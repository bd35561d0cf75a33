#include "nn/attention.h"

#include <algorithm>

namespace octet::nn {
namespace {

using kernels::kPagePositions;

// Steps of up to so many tokens, as decoding makes them, share the length of the context among the threads; longer ones
// only where there are fewer pages of tokens than threads, since what the pieces leave takes memory.
constexpr size_t kDecodedTokens = 32;
// Items of equal work that make the threads' shares even.
constexpr size_t kItemsPerThread = 8;

size_t BlocksOf(const SequenceRows& sequence) {
  if (sequence.tokens == 0) return 0;
  return (sequence.first_position + sequence.tokens - 1) / kPagePositions - sequence.first_position / kPagePositions +
         1;
}

// The index-th block of a sequence.
TokenBlock BlockAt(const SequenceRows& sequence, size_t index) {
  const size_t page = sequence.first_position / kPagePositions + index;
  const size_t begin = std::max(page * kPagePositions, sequence.first_position);
  const size_t end = std::min((page + 1) * kPagePositions, sequence.first_position + sequence.tokens);
  return {.sequence = &sequence, .first = begin - sequence.first_position, .count = end - begin};
}

size_t PiecesOf(const TokenBlock& block) {
  return (block.sequence->first_position + block.first + block.count - 1) / kernels::kAttendPiece + 1;
}

// All pieces of every block where threads can share them, else none.
Result<std::span<const TokenPiece>> PlanPieces(ExecutionContext& context, std::span<TokenBlock> blocks, size_t tokens) {
  if (tokens > kDecodedTokens && blocks.size() >= context.pool.threads()) return std::span<const TokenPiece>();
  size_t total = 0;
  for (const TokenBlock& block : blocks) total += PiecesOf(block);
  if (total == blocks.size()) return std::span<const TokenPiece>();
  const std::span<TokenPiece> pieces = OCTET_TRY(context.workspace.Array<TokenPiece>(total));
  TokenPiece* next = pieces.data();
  size_t partials = 0;
  for (TokenBlock& block : blocks) {
    block.first_partial = partials;
    for (size_t piece = 0; piece < PiecesOf(block); ++piece, partials += block.count)
      *next++ = {.block = &block, .piece = piece};
  }
  return std::span<const TokenPiece>(pieces);
}

// One layer's work on one (token block, key head).
class HeadWork {
 public:
  HeadWork(const ExecutionContext& context, const AttentionShape& shape, const AttentionBuffers& buffers)
      : kernels_(context.kernels),
        shape_(shape),
        buffers_(buffers),
        group_(shape.heads / shape.kv_heads),
        format_(static_cast<size_t>(shape.layout->layer(shape.layer).format)),
        row_stride_((shape.heads + shape.kv_heads) * shape.key_dim + shape.kv_heads * shape.value_dim) {}

  // Norms and rotates the block's queries and keys, and stores its keys and values.
  void Store(const TokenBlock& block, size_t head) const {
    const size_t key_offset = shape_.layout->KeyOffset(shape_.layer, head);
    const size_t value_offset = shape_.layout->ValueOffset(shape_.layer, head);
    for (size_t token = block.first; token < block.first + block.count; ++token) {
      const size_t row = block.sequence->first_row + token, position = block.sequence->first_position + token;
      float* q = Queries(row, head);
      for (size_t i = 0; i < group_; ++i) Rotate(row, shape_.query_norm, q + i * shape_.key_dim);
      float* key = Row(row) + (shape_.heads + head) * shape_.key_dim;
      Rotate(row, shape_.key_norm, key);
      const float* value = Row(row) + (shape_.heads + shape_.kv_heads) * shape_.key_dim + head * shape_.value_dim;
      std::byte* page = block.sequence->pages[position / kPagePositions];
      kernels_.store_cache[format_](key, value, shape_.key_dim, shape_.value_dim, position % kPagePositions,
                                    page + key_offset, page + value_offset);
    }
  }

  void Attend(const TokenBlock& block, size_t head) const { kernels_.attend[format_](ArgsOf(block, head)); }

  // partials [token of the block][query head of the group][PartialFloats]; nothing where the piece is out of sight.
  void AttendPiece(const TokenPiece& piece, size_t head, float* partials) const {
    if (piece.piece < FirstPiece(*piece.block)) return;
    const size_t before = piece.piece * piece.block->count * group_ * PartialFloats();
    kernels_.attend_piece[format_](ArgsOf(*piece.block, head), piece.piece, partials + before);
  }

  // The outputs of a block from the partials of its pieces.
  void Join(const TokenBlock& block, size_t head, const float* partials) const {
    const size_t first = FirstPiece(block), rows = block.count * group_, stride = rows * PartialFloats();
    const kernels::AttendArgs args = ArgsOf(block, head);
    partials += first * stride;
    for (size_t row = 0; row < rows; ++row, partials += PartialFloats()) {
      float* out = args.out + row / group_ * args.out_token_stride + row % group_ * shape_.value_dim;
      kernels_.join_pieces(partials, PiecesOf(block) - first, stride, shape_.value_dim, out);
    }
  }

  size_t PartialFloats() const { return kernels::PartialFloats(shape_.value_dim); }

 private:
  // The first piece that the block's first token sees.
  size_t FirstPiece(const TokenBlock& block) const {
    const size_t behind = block.sequence->first_position + block.first + 1;
    return shape_.window == 0 || behind < shape_.window ? 0 : (behind - shape_.window) / kernels::kAttendPiece;
  }

  kernels::AttendArgs ArgsOf(const TokenBlock& block, size_t head) const {
    const size_t row = block.sequence->first_row + block.first;
    kernels::AttendArgs args;
    args.query = Queries(row, head);
    args.query_token_stride = row_stride_;
    args.tokens = block.count;
    args.group = group_;
    args.first_position = block.sequence->first_position + block.first;
    args.window = shape_.window;
    args.pages = block.sequence->pages.data();
    args.key_offset = shape_.layout->KeyOffset(shape_.layer, head);
    args.value_offset = shape_.layout->ValueOffset(shape_.layer, head);
    args.key_dim = shape_.key_dim;
    args.value_dim = shape_.value_dim;
    args.scale = shape_.scale;
    args.softcap = shape_.softcap;
    args.out_token_stride = shape_.heads * shape_.value_dim;
    args.out = buffers_.out + row * args.out_token_stride + head * group_ * shape_.value_dim;
    return args;
  }

  float* Row(size_t row) const { return buffers_.qkv + row * row_stride_; }
  float* Queries(size_t row, size_t head) const { return Row(row) + head * group_ * shape_.key_dim; }

  void Rotate(size_t row, const float* norm, float* x) const {
    if (norm != nullptr) kernels_.rms_norm(x, norm, shape_.norm_offset, shape_.norm_eps, shape_.key_dim, x);
    kernels_.rope(buffers_.cosines + row * shape_.rope_half, buffers_.sines + row * shape_.rope_half, shape_.rope_half,
                  x);
  }

  const kernels::KernelTable& kernels_;
  const AttentionShape& shape_;
  const AttentionBuffers& buffers_;
  size_t group_;
  size_t format_;
  size_t row_stride_;
};

// Storing, then the pieces of all key heads, then what they come to: three parallel regions.
Status AttendInPieces(ExecutionContext& context, const AttentionShape& shape, const AttentionPlan& plan,
                      const HeadWork& work) {
  const size_t blocks = plan.blocks.size(), pieces = plan.pieces.size(), group = shape.heads / shape.kv_heads;
  const Workspace::Scope scope(context.workspace);
  const size_t tokens = plan.blocks.back().first_partial + PiecesOf(plan.blocks.back()) * plan.blocks.back().count;
  float* const partials = OCTET_TRY(context.workspace.Floats(tokens * shape.heads * work.PartialFloats()));
  const auto of_block = [&](const TokenBlock& block, size_t head) {
    return partials + (head * tokens + block.first_partial) * group * work.PartialFloats();
  };
  context.pool.ForEachShare(blocks * shape.kv_heads, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) work.Store(plan.blocks[item % blocks], item / blocks);
  });
  context.pool.ForEachShare(pieces * shape.kv_heads, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const TokenPiece& piece = plan.pieces[item % pieces];
      work.AttendPiece(piece, item / pieces, of_block(*piece.block, item / pieces));
    }
  });
  context.pool.ForEachShare(blocks * shape.kv_heads, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const TokenBlock& block = plan.blocks[item % blocks];
      work.Join(block, item / blocks, of_block(block, item / blocks));
    }
  });
  return {};
}

}  // namespace

Result<AttentionPlan> PlanAttention(ExecutionContext& context, std::span<const SequenceRows> sequences) {
  size_t total = 0;
  AttentionPlan plan{.blocks = {}, .pieces = {}, .one_block_each = true};
  for (const SequenceRows& sequence : sequences) {
    total += BlocksOf(sequence);
    plan.tokens += sequence.tokens;
    if (BlocksOf(sequence) > 1) plan.one_block_each = false;
  }
  const std::span<TokenBlock> all = OCTET_TRY(context.workspace.Array<TokenBlock>(total));
  plan.blocks = all;
  TokenBlock* blocks = all.data();
  for (const SequenceRows& sequence : sequences) {
    // Later blocks see more positions: first and last take turns, so that any contiguous share is a fair one.
    const size_t count = BlocksOf(sequence);
    for (size_t i = 0; i < count; ++i) *blocks++ = BlockAt(sequence, i % 2 == 0 ? i / 2 : count - 1 - i / 2);
  }
  plan.pieces = OCTET_TRY(PlanPieces(context, all, plan.tokens));
  return plan;
}

Status Attend(ExecutionContext& context, const AttentionShape& shape, const AttentionPlan& plan,
              const AttentionBuffers& buffers) {
  const HeadWork work(context, shape, buffers);
  const size_t blocks = plan.blocks.size(), items = blocks * shape.kv_heads;
  const size_t enough = context.pool.threads() * (plan.tokens <= kDecodedTokens ? kItemsPerThread : 1);
  if (!plan.pieces.empty() && context.pool.threads() > 1 && items < enough)
    return AttendInPieces(context, shape, plan, work);
  context.pool.ForEachShare(items, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      work.Store(plan.blocks[item % blocks], item / blocks);
      if (plan.one_block_each) work.Attend(plan.blocks[item % blocks], item / blocks);
    }
  });
  if (plan.one_block_each) return {};
  context.pool.ForEachShare(items, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) work.Attend(plan.blocks[item % blocks], item / blocks);
  });
  return {};
}

}  // namespace octet::nn
