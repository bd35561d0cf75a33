#include "models/layered_decoder.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "models/decoder_parts.h"

namespace octet {

LayeredDecoder::LayeredDecoder() = default;
LayeredDecoder::LayeredDecoder(LayeredDecoder&&) noexcept = default;
LayeredDecoder& LayeredDecoder::operator=(LayeredDecoder&&) noexcept = default;
LayeredDecoder::~LayeredDecoder() = default;

Result<LayeredDecoder> LayeredDecoder::Open(ModelSpec spec, WeightProvider& weights) {
  if (spec.encoder) {
    return Fail(ErrorCode::kUnsupported, "calibration runs the layers of a decoder, and `", spec.family,
                "` is an encoder; take a recipe that needs none, such as fp8, int8, nvfp4-w4a16 or int4");
  }
  LayeredDecoder decoder;
  decoder.parts_ = std::make_unique<Decoder::Parts>();
  for (const nn::RopeSpec& rope : spec.ropes) decoder.parts_->ropes.push_back(OCTET_TRY(nn::RopeTable::Make(rope)));
  decoder.parts_->final_norm = OCTET_TRY(LoadNorm(spec.final_norm, spec.hidden, weights, "final_norm"));
  decoder.parts_->spec = spec;
  decoder.parts_->spec.layers.clear();
  decoder.spec_ = std::move(spec);
  decoder.weights_ = &weights;
  return decoder;
}

Status LayeredDecoder::Embed(std::span<const int32_t> tokens, const kernels::KernelTable& kernels, float* out) {
  PackedMatrix table = OCTET_TRY(weights_->Outline("embedding"));
  const float scale = EmbedScale(spec_, table.format);
  std::vector<size_t> order(tokens.size());  // by panel, so that each is read once
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens[a] < tokens[b]; });
  const size_t panel_bytes = kernels::PanelBytes(table.format, table.depth);
  const std::shared_ptr<AlignedBuffer> panel = OCTET_TRY(AlignedBuffer::Allocate(panel_bytes));
  size_t loaded = kernels::Panels(spec_.vocab);  // none yet
  for (const size_t at : order) {
    if (tokens[at] < 0 || static_cast<size_t>(tokens[at]) >= spec_.vocab) {
      return Fail(ErrorCode::kInvalidArgument, "token id ", tokens[at], " is outside the vocabulary of ", spec_.vocab);
    }
    const size_t column = static_cast<size_t>(tokens[at]), wanted = column / kernels::kPanelColumns;
    if (wanted != loaded) OCTET_TRY(weights_->ReadPanels("embedding", wanted, wanted + 1, panel->data()));
    loaded = wanted;
    const float* scales = table.column_scales.empty() ? nullptr : &table.column_scales[wanted * kernels::kPanelColumns];
    float* row = out + at * spec_.hidden;
    kernels.unpack_column[static_cast<size_t>(table.format)](panel->data(), scales, spec_.hidden,
                                                             column % kernels::kPanelColumns, row);
    if (scale != 1) kernels.scale(scale, spec_.hidden, row);
  }
  return {};
}

Status LayeredDecoder::Load(size_t layer, WeightProvider& weights) {
  OCTET_CHECK(layer < spec_.layers.size());
  parts_->layers.clear();  // before the next one comes
  parts_->layers.push_back(OCTET_TRY(LoadLayer(spec_, layer, weights)));
  parts_->first_layer = layer;
  parts_->spec.layers.assign(1, spec_.layers[layer]);
  parts_->layout = OCTET_TRY(CacheLayout(parts_->spec.layers, std::nullopt, DefaultCache(parts_->layers)));
  cache_.reset();
  pages_.clear();
  return {};
}

Status LayeredDecoder::TakePages(size_t tokens) {
  const size_t needed = nn::KvLayout::PagesFor(tokens), bytes = parts_->layout.page_bytes();
  if (needed <= pages_.size()) return {};
  cache_ = OCTET_TRY(AlignedBuffer::Allocate(needed * bytes));
  pages_.clear();
  for (size_t page = 0; page < needed; ++page) pages_.push_back(cache_->data() + page * bytes);
  return {};
}

Status LayeredDecoder::Forward(std::span<const int32_t> window, nn::ExecutionContext& context, float* hidden,
                               Decoder::Observer* observer) {
  OCTET_CHECK(!parts_->layers.empty());
  OCTET_TRY(TakePages(window.size()));
  OCTET_TRY(context.workspace.Reset());
  const Decoder::Run run{.tokens = window, .pages = pages_, .logits_from = window.size()};
  ForwardPass pass(*parts_, {&run, 1}, context, observer);
  OCTET_TRY(pass.Begin());
  pass.Enter(hidden);
  OCTET_TRY(pass.Layer(0));
  pass.Leave(hidden);
  return {};
}

void LayeredDecoder::Finish(const kernels::KernelTable& kernels, size_t rows, const float* hidden,
                            float* normed) const {
  for (size_t row = 0; row < rows; ++row)
    parts_->final_norm.Apply(kernels, hidden + row * spec_.hidden, normed + row * spec_.hidden);
}

Status LayeredDecoder::LoadHead(WeightProvider& weights) {
  parts_->head = OCTET_TRY(LoadMatrix(weights, spec_.tied ? "embedding" : "head", spec_.vocab, spec_.hidden));
  return {};
}

Status LayeredDecoder::Logits(size_t rows, nn::ExecutionContext& context, const float* hidden, float* logits) {
  OCTET_CHECK(!parts_->layers.empty() && parts_->head.columns == spec_.vocab);
  OCTET_TRY(TakePages(rows));
  OCTET_TRY(context.workspace.Reset());
  const std::vector<int32_t> tokens(rows);  // which they are is no matter behind the embedding
  const Decoder::Run run{.tokens = tokens, .pages = pages_, .logits_from = 0};
  ForwardPass pass(*parts_, {&run, 1}, context, nullptr);
  OCTET_TRY(pass.Begin());
  pass.Enter(hidden);
  return pass.Head(logits);
}

}  // namespace octet
