// The steps of an encoder's forward pass. As a decoder's (models/forward_pass.cpp), a branch leaves its output in
// branch_, and the sum with the stream happens on the thread that packs the row for the next product.
#include <algorithm>

#include "models/encoder_parts.h"

namespace octet {
namespace {

using nn::PackedRows;
using nn::Rows;

void AddRowOf(const kernels::KernelTable& kernels, const PackedMatrix& table, size_t row, float* scratch, float* to) {
  const float* scales = table.column_scales.empty() ? nullptr : table.column_scales.data();
  kernels.unpack_column[static_cast<size_t>(table.format)](table.panels.data(), scales, table.depth, row, scratch);
  kernels.add(scratch, table.depth, to);
}

// Rows of the table of positions, one token of a sequence after the other.
class PositionCounter {
 public:
  explicit PositionCounter(const EncoderSpec& spec)
      : pad_(spec.pad), next_(spec.pad ? static_cast<size_t>(*spec.pad) + 1 : 0) {}
  size_t Next(int32_t token) { return token == pad_ ? static_cast<size_t>(token) : next_++; }

 private:
  std::optional<int32_t> pad_;
  size_t next_;
};

}  // namespace

EncoderPass::EncoderPass(const Encoder::Parts& parts, std::span<const Encoder::Run> runs, nn::ExecutionContext& context,
                         float* stream, Decoder::Observer* observer)
    : parts_(parts), runs_(runs), context_(context), observer_(observer), stream_(stream) {
  for (const Encoder::Run& run : runs) rows_ += run.tokens.size();
}

Status EncoderPass::Begin() {
  const ModelSpec& spec = parts_.spec;
  const AttnSpec& attn = spec.layers.front().attn;
  nn::Workspace& workspace = context_.workspace;
  const std::span<size_t> lengths = OCTET_TRY(workspace.Array<size_t>(runs_.size()));
  for (size_t i = 0; i < runs_.size(); ++i) lengths[i] = runs_[i].tokens.size();
  const nn::FullAttentionShape shape{.heads = attn.heads,
                                     .scale = attn.scale,
                                     .layout = &parts_.layout,
                                     .bias = parts_.relative_bias.values(),
                                     .bias_head_stride = parts_.relative_bias.head_stride()};
  attention_ = OCTET_TRY(nn::FullAttention::Plan(context_, shape, lengths));
  const size_t width = spec.layers.front().ffn.width;
  branch_ = OCTET_TRY(workspace.Floats(rows_ * RowStride(spec.hidden)));
  qkv_ = OCTET_TRY(workspace.Floats(rows_ * QkvWidth(attn)));
  attended_ = OCTET_TRY(workspace.Floats(rows_ * attn.heads * attn.value_dim));
  wide_ = OCTET_TRY(workspace.Floats(rows_ * RowStride(width)));
  ones_ = OCTET_TRY(workspace.Floats(width));
  std::fill_n(ones_, width, 1.0F);
  return {};
}

// Row by row on all threads; what a row takes of the tables is its own.
void EncoderPass::Embed() {
  context_.pool.ForEachShare(rows_, [&](size_t begin, size_t end) {
    size_t row = 0;
    for (const Encoder::Run& run : runs_) {
      PositionCounter positions(*parts_.spec.encoder);
      for (size_t token = 0; token < run.tokens.size(); ++token, ++row) {
        const size_t position = positions.Next(run.tokens[token]);
        if (row >= begin && row < end) EmbedToken(run, token, position, row);
      }
    }
  });
}

void EncoderPass::EmbedToken(const Encoder::Run& run, size_t token, size_t position, size_t row) {
  const size_t hidden = parts_.spec.hidden;
  const kernels::KernelTable& kernels = context_.kernels;
  float *to = stream_ + row * hidden, *scratch = branch_ + row * RowStride(hidden);
  std::fill_n(to, hidden, 0.0F);
  AddRowOf(kernels, parts_.words, static_cast<size_t>(run.tokens[token]), scratch, to);
  if (parts_.spec.encoder->type_vocab != 0)
    AddRowOf(kernels, parts_.types, token < run.first_text ? 0 : 1, scratch, to);
  AddRowOf(kernels, parts_.positions, position, scratch, to);
  parts_.norm.Apply(kernels, to, to);
}

void EncoderPass::SumRows(size_t begin, size_t end) {
  const size_t hidden = parts_.spec.hidden;
  for (size_t row = begin; sums_ != nullptr && row < end; ++row) {
    float* to = stream_ + row * hidden;
    context_.kernels.add(branch_ + row * RowStride(hidden), hidden, to);
    sums_->Apply(context_.kernels, to, to);
  }
}

void EncoderPass::Observe(size_t step) const {
  if (observer_ != nullptr) observer_->OnHidden(step, stream_, rows_);
}

void EncoderPass::ObserveInput(size_t layer, std::string_view part, const Rows& rows) const {
  if (observer_ != nullptr) observer_->OnInput(LayerSlot(layer, part), rows.data, rows.count, rows.width, rows.stride);
}

Status EncoderPass::Layer(size_t index) {
  OCTET_TRY(Attention(index));
  return FeedForward(index);
}

Status EncoderPass::Attention(size_t index) {
  const AttnSpec& attn = parts_.spec.layers[index].attn;
  const EncoderLayer& weights = parts_.layers[index];
  const size_t hidden = parts_.spec.hidden, width = attn.heads * attn.value_dim;
  const Rows stream{stream_, hidden, rows_, hidden};
  OCTET_TRY(MultiplyJoined(context_, weights.qkv, stream, qkv_, QkvWidth(attn),
                           [&](size_t begin, size_t end) { SumRows(begin, end); }));
  sums_ = nullptr;
  Observe(index);
  ObserveInput(index, "attn.qkv", stream);
  attention_.Run(context_, qkv_, attended_);
  const Rows attended{attended_, width, rows_, width};
  ObserveInput(index, "attn.out", attended);
  const nn::Workspace::Scope packed(context_.workspace);
  const PackedRows input = OCTET_TRY(nn::PackRows(context_, weights.out, attended, [](size_t, size_t) {}));
  nn::Multiply(context_, weights.out, input, branch_, RowStride(hidden));
  sums_ = &weights.attn_norm;
  return {};
}

Status EncoderPass::FeedForward(size_t index) {
  const FfnSpec& spec = parts_.spec.layers[index].ffn;
  const EncoderLayer& weights = parts_.layers[index];
  const size_t hidden = parts_.spec.hidden;
  {
    const nn::Workspace::Scope packed(context_.workspace);
    const Rows stream{stream_, hidden, rows_, hidden};
    const PackedRows input =
        OCTET_TRY(nn::PackRows(context_, weights.in, stream, [&](size_t begin, size_t end) { SumRows(begin, end); }));
    sums_ = nullptr;
    ObserveInput(index, "ffn.in", stream);
    nn::Multiply(context_, weights.in, input, wide_, RowStride(spec.width));
  }
  const nn::Workspace::Scope packed(context_.workspace);
  const Rows wide{wide_, RowStride(spec.width), rows_, spec.width};
  const PackedRows input = OCTET_TRY(
      nn::PackRows(context_, weights.down, wide, [&](size_t begin, size_t end) { Activate(spec, begin, end); }));
  ObserveInput(index, "ffn.down", wide);
  nn::Multiply(context_, weights.down, input, branch_, RowStride(hidden));
  sums_ = &weights.ffn_norm;
  return {};
}

// The kernels' gated activations with a gate's partner of 1, which changes no bit.
void EncoderPass::Activate(const FfnSpec& spec, size_t begin, size_t end) {
  const auto activation = ActivationOf(context_.kernels, spec.activation);
  for (size_t row = begin; row < end; ++row) {
    float* values = wide_ + row * RowStride(spec.width);
    activation(values, ones_, spec.width, values);
  }
}

void EncoderPass::Finish() {
  context_.pool.ForEachShare(rows_, [&](size_t begin, size_t end) { SumRows(begin, end); });
  sums_ = nullptr;
  Observe(parts_.layers.size());
}

}  // namespace octet
