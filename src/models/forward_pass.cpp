// The steps of a forward pass. A branch (attention or feed-forward) leaves its output in branch_; the addition to the
// residual stream happens with the next norm, row by row on the thread that packs the row, so that a layer costs five
// parallel regions at decode: q, k, v; attention; its output; gate and up with the activation; down.
#include <algorithm>

#include "models/decoder_parts.h"

namespace octet {
namespace {

using nn::ExecutionContext;
using nn::PackedRows;
using nn::Rows;

}  // namespace

ForwardPass::ForwardPass(const Decoder::Parts& parts, std::span<const Decoder::Run> runs, ExecutionContext& context,
                         Decoder::Observer* observer)
    : parts_(parts), runs_(runs), context_(context), observer_(observer) {
  for (const Decoder::Run& run : runs) {
    rows_ += run.tokens.size();
    wanted_ += run.tokens.size() - run.logits_from;
  }
}

Status ForwardPass::PlanSequences() {
  const std::span<nn::SequenceRows> sequences = OCTET_TRY(context_.workspace.Array<nn::SequenceRows>(runs_.size()));
  size_t first_row = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    sequences[i] = {.first_row = first_row,
                    .tokens = runs_[i].tokens.size(),
                    .first_position = runs_[i].first_position,
                    .pages = runs_[i].pages};
    first_row += runs_[i].tokens.size();
  }
  plan_ = OCTET_TRY(nn::PlanAttention(context_, sequences));
  return {};
}

Status ForwardPass::TakeBuffers() {
  const ModelSpec& spec = parts_.spec;
  size_t qkv = 0, attended = 0, gate_up = 0;
  for (const LayerSpec& layer : spec.layers) {
    qkv = std::max(qkv, QkvWidth(layer.attn));
    attended = std::max(attended, layer.attn.heads * layer.attn.value_dim);
    gate_up = std::max(gate_up, RowStride(2 * layer.ffn.width));
  }
  nn::Workspace& workspace = context_.workspace;
  stream_ = OCTET_TRY(workspace.Floats(rows_ * spec.hidden));
  normed_ = OCTET_TRY(workspace.Floats(rows_ * spec.hidden));
  branch_ = OCTET_TRY(workspace.Floats(rows_ * RowStride(spec.hidden)));
  qkv_ = OCTET_TRY(workspace.Floats(rows_ * qkv));
  attended_ = OCTET_TRY(workspace.Floats(rows_ * attended));
  gate_up_ = OCTET_TRY(workspace.Floats(rows_ * gate_up));
  angles_ = OCTET_TRY(workspace.Array<Angles>(parts_.ropes.size()));
  for (size_t i = 0; i < angles_.size(); ++i) {
    angles_[i].cosines = OCTET_TRY(workspace.Floats(rows_ * parts_.ropes[i].half()));
    angles_[i].sines = OCTET_TRY(workspace.Floats(rows_ * parts_.ropes[i].half()));
  }
  return {};
}

// Once per token, for all layers and heads. Each position of a sequence comes by once, so that a table of angles would
// save a microsecond of a step at best.
void ForwardPass::FillAngles() {
  for (size_t i = 0; i < angles_.size(); ++i) {
    const nn::RopeTable& rope = parts_.ropes[i];
    size_t row = 0;
    for (const Decoder::Run& run : runs_) {
      const size_t length = run.prompt_length != 0 ? run.prompt_length : run.first_position + run.tokens.size();
      for (size_t token = 0; token < run.tokens.size(); ++token, ++row) {
        rope.Fill(run.first_position + token, length, angles_[i].cosines + row * rope.half(),
                  angles_[i].sines + row * rope.half());
      }
    }
  }
}

Status ForwardPass::Begin() {
  OCTET_TRY(PlanSequences());
  OCTET_TRY(TakeBuffers());
  OCTET_TRY(adapters_.Plan(runs_, context_));
  FillAngles();
  return {};
}

void ForwardPass::Embed() {
  const ModelSpec& spec = parts_.spec;
  const PackedMatrix& table = parts_.embedding;
  const float* scales = table.column_scales.empty() ? nullptr : table.column_scales.data();
  float* row = stream_;
  for (const Decoder::Run& run : runs_) {
    for (const int32_t token : run.tokens) {
      context_.kernels.unpack_column[static_cast<size_t>(table.format)](table.panels.data(), scales, spec.hidden,
                                                                        static_cast<size_t>(token), row);
      if (spec.embed_scale != 1) context_.kernels.scale(spec.embed_scale, spec.hidden, row);
      row += spec.hidden;
    }
  }
}

void ForwardPass::Enter(const float* hidden) { std::copy_n(hidden, rows_ * parts_.spec.hidden, stream_); }

void ForwardPass::Leave(float* hidden) {
  AddBranch(0, rows_);
  is_pending_ = false;
  std::copy_n(stream_, rows_ * parts_.spec.hidden, hidden);
}

void ForwardPass::AddBranch(size_t begin, size_t end) {
  const size_t hidden = parts_.spec.hidden;
  for (size_t row = begin; is_pending_ && row < end; ++row) {
    float* branch = branch_ + row * RowStride(hidden);
    if (pending_norm_ != nullptr) pending_norm_->Apply(context_.kernels, branch, branch);
    context_.kernels.add(branch, hidden, stream_ + row * hidden);
  }
}

void ForwardPass::NormRows(const NormWeights& norm, size_t begin, size_t end) {
  AddBranch(begin, end);
  const size_t hidden = parts_.spec.hidden;
  for (size_t row = begin; row < end; ++row)
    norm.Apply(context_.kernels, stream_ + row * hidden, normed_ + row * hidden);
}

void ForwardPass::Observe(size_t step) const {
  if (observer_ != nullptr) observer_->OnHidden(parts_.first_layer + step, stream_, rows_);
}

void ForwardPass::ObserveInput(size_t layer, std::string_view part, const Rows& rows) const {
  if (observer_ == nullptr) return;
  observer_->OnInput(LayerSlot(parts_.first_layer + layer, part), rows.data, rows.count, rows.width, rows.stride);
}

nn::AttentionShape ForwardPass::ShapeOf(size_t index) const {
  const AttnSpec& attn = parts_.spec.layers[index].attn;
  const LayerWeights& weights = parts_.layers[index];
  nn::AttentionShape shape{.heads = attn.heads,
                           .kv_heads = attn.kv_heads,
                           .key_dim = attn.key_dim,
                           .value_dim = attn.value_dim,
                           .scale = attn.scale,
                           .softcap = attn.softcap,
                           .window = attn.window,
                           .rope_half = parts_.ropes[attn.rope_id].half(),
                           .layout = &parts_.layout,
                           .layer = index};
  if (weights.query_norm) {
    shape.query_norm = weights.query_norm->weight.data();
    shape.key_norm = weights.key_norm->weight.data();
    shape.norm_offset = weights.query_norm->offset;
    shape.norm_eps = weights.query_norm->eps;
  }
  return shape;
}

Status ForwardPass::Layer(size_t index) {
  OCTET_TRY(Attention(index));
  if (IsDone()) return {};
  return FeedForward(index);
}

Status ForwardPass::Attention(size_t index) {
  const AttnSpec& attn = parts_.spec.layers[index].attn;
  const LayerWeights& weights = parts_.layers[index];
  const size_t hidden = parts_.spec.hidden;
  const Rows input{normed_, hidden, rows_, hidden};
  OCTET_TRY(MultiplyJoined(context_, weights.qkv, input, qkv_, QkvWidth(attn),
                           [&](size_t begin, size_t end) { NormRows(weights.attn_norm, begin, end); }));
  OCTET_TRY(AddAdapters(index, Adapter::Product::kQkv, input, qkv_, QkvWidth(attn)));
  is_pending_ = false;
  Observe(index);
  ObserveInput(index, "attn.qkv", input);
  if (IsDone()) return {};
  const Angles& angles = angles_[attn.rope_id];
  OCTET_TRY(nn::Attend(context_, ShapeOf(index), plan_,
                       {.qkv = qkv_, .cosines = angles.cosines, .sines = angles.sines, .out = attended_}));
  if (observer_ != nullptr) observer_->OnHeads(parts_.first_layer + index, qkv_, rows_);
  const nn::Workspace::Scope packed(context_.workspace);
  const size_t width = attn.heads * attn.value_dim;
  const Rows attended{attended_, width, rows_, width};
  ObserveInput(index, "attn.out", attended);
  if (IsDone()) return {};
  const PackedRows heads = OCTET_TRY(nn::PackRows(context_, weights.out, attended, [](size_t, size_t) {}));
  nn::Multiply(context_, weights.out, heads, branch_, RowStride(hidden));
  OCTET_TRY(AddAdapters(index, Adapter::Product::kAttnOut, attended, branch_, RowStride(hidden)));
  is_pending_ = true;
  pending_norm_ = weights.attn_post_norm ? &*weights.attn_post_norm : nullptr;
  return {};
}

Status ForwardPass::FeedForward(size_t index) {
  const FfnSpec& spec = parts_.spec.layers[index].ffn;
  const LayerWeights& weights = parts_.layers[index];
  const size_t hidden = parts_.spec.hidden;
  const auto norm = [&](size_t begin, size_t end) { NormRows(weights.ffn_norm, begin, end); };
  const Rows input{normed_, hidden, rows_, hidden};
  // Where gate's columns fill whole panels, a thread multiplies gate and up for the same columns and needs no one
  // else's. What adapters add comes between product and activation.
  const bool is_aligned =
      weights.gate_up.size() == 1 && spec.width % kernels::kPanelColumns == 0 && adapters_.is_empty();
  if (is_aligned) {
    const nn::Workspace::Scope packed(context_.workspace);
    GateUp(spec, weights.gate_up.front(), OCTET_TRY(nn::PackRows(context_, weights.gate_up.front(), input, norm)));
  } else {
    OCTET_TRY(MultiplyJoined(context_, weights.gate_up, input, gate_up_, RowStride(2 * spec.width), norm));
    OCTET_TRY(AddAdapters(index, Adapter::Product::kGateUp, input, gate_up_, RowStride(2 * spec.width)));
  }
  is_pending_ = false;
  ObserveInput(index, "ffn.gate_up", input);
  if (IsDone()) return {};
  const auto activate = [&](size_t begin, size_t end) {
    if (!is_aligned) Activate(spec, {begin, end}, {0, spec.width});
  };
  const nn::Workspace::Scope packed(context_.workspace);
  const Rows gated{gate_up_, RowStride(2 * spec.width), rows_, spec.width};
  const PackedRows activated = OCTET_TRY(nn::PackRows(context_, weights.down, gated, activate));
  ObserveInput(index, "ffn.down", gated);
  nn::Multiply(context_, weights.down, activated, branch_, RowStride(hidden));
  OCTET_TRY(AddAdapters(index, Adapter::Product::kDown, gated, branch_, RowStride(hidden)));
  is_pending_ = true;
  pending_norm_ = weights.ffn_post_norm ? &*weights.ffn_post_norm : nullptr;
  return {};
}

void ForwardPass::GateUp(const FfnSpec& spec, const PackedMatrix& matrix, const PackedRows& input) {
  const size_t panels = spec.width / kernels::kPanelColumns, stride = RowStride(2 * spec.width);
  context_.pool.ForEachShare(panels, [&](size_t begin, size_t end) {
    nn::MultiplyPanels(context_, matrix, input, gate_up_, stride, {begin, end});
    nn::MultiplyPanels(context_, matrix, input, gate_up_, stride, {panels + begin, panels + end});
    Activate(spec, {0, rows_}, {begin * kernels::kPanelColumns, end * kernels::kPanelColumns});
  });
}

void ForwardPass::Activate(const FfnSpec& spec, Range rows, Range columns) {
  const kernels::KernelTable& table = context_.kernels;
  const auto activation = ActivationOf(table, spec.activation);
  for (size_t row = rows.begin; row < rows.end; ++row) {
    float* gate = gate_up_ + row * RowStride(2 * spec.width) + columns.begin;
    activation(gate, gate + spec.width, columns.end - columns.begin, gate);
  }
}

Status ForwardPass::Head(float* logits) {
  const size_t hidden = parts_.spec.hidden;
  if (observer_ != nullptr) {
    AddBranch(0, rows_);
    is_pending_ = false;
    Observe(parts_.layers.size());
  }
  const std::span<size_t> wanted = OCTET_TRY(WantedRows());
  const Rows input{normed_, hidden, wanted.size(), hidden};
  const auto norm = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      AddBranch(wanted[i], wanted[i] + 1);
      parts_.final_norm.Apply(context_.kernels, stream_ + wanted[i] * hidden, normed_ + i * hidden);
    }
  };
  const PackedRows packed = OCTET_TRY(nn::PackRows(context_, parts_.head, input, norm));
  if (observer_ != nullptr) {
    observer_->OnHidden(parts_.layers.size() + 1, normed_, wanted.size());
    observer_->OnInput("head", normed_, wanted.size(), hidden, hidden);
  }
  if (wanted.empty()) return {};
  const size_t vocab = parts_.spec.vocab;
  context_.pool.ForEachShare(kernels::Panels(vocab), [&](size_t begin, size_t end) {
    nn::MultiplyPanels(context_, parts_.head, packed, logits, vocab, {begin, end});
    if (parts_.spec.final_softcap == 0) return;
    const size_t first = begin * kernels::kPanelColumns, last = std::min(end * kernels::kPanelColumns, vocab);
    for (size_t i = 0; i < wanted.size(); ++i) {
      context_.kernels.softcap(parts_.spec.final_softcap, last - first, logits + i * vocab + first);
    }
  });
  return {};
}

Result<std::span<size_t>> ForwardPass::WantedRows() {
  const std::span<size_t> wanted = OCTET_TRY(context_.workspace.Array<size_t>(wanted_));
  size_t first_row = 0, next = 0;
  for (const Decoder::Run& run : runs_) {
    for (size_t token = run.logits_from; token < run.tokens.size(); ++token) wanted[next++] = first_row + token;
    first_row += run.tokens.size();
  }
  return wanted;
}

}  // namespace octet
