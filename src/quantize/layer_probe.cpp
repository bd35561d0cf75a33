#include "quantize/layer_probe.h"

#include "quantize/stream_divergence.h"
#include "quantize/streamed_model.h"

namespace octet {
namespace {

constexpr size_t kScoredEvery = 2;  // neighbours say much the same, and the head is a large part of a small model

}  // namespace

Result<LayerProbe> LayerProbe::Start(const Checkpoint& checkpoint, const CalibrationText& windows,
                                     const QuantizeRun& run) {
  StreamedModel model = OCTET_TRY(OpenStreamed(checkpoint, ComputeType::kAuto, run));
  LayerProbe probe(windows, run, std::move(model.decoder));
  probe.weights_ = std::move(model.weights);
  probe.context_ = std::move(model.context);
  OCTET_TRY(probe.decoder_.LoadHead(*probe.weights_));
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : windows) tokens.insert(tokens.end(), window.begin(), window.end());
  probe.before_.resize(tokens.size() * probe.decoder_.spec().hidden);
  OCTET_TRY(probe.decoder_.Embed(tokens, probe.context_->kernels, probe.before_.data()));
  probe.last_ = probe.before_;
  for (size_t layer = 0; layer < probe.decoder_.spec().layers.size(); ++layer) {
    OCTET_TRY(probe.decoder_.Load(layer, *probe.weights_));
    OCTET_TRY(probe.Forward(probe.last_));
  }
  return probe;
}

Status LayerProbe::Forward(std::vector<float>& stream) {
  float* hidden = stream.data();
  for (const std::vector<int32_t>& window : *windows_) {
    OCTET_TRY(run_.cancel.Check());
    OCTET_TRY(decoder_.Forward(window, *context_, hidden, nullptr));
    run_.progress.Advance(window.size());
    hidden += window.size() * decoder_.spec().hidden;
  }
  return {};
}

Status LayerProbe::Try(WeightProvider& changed) {
  OCTET_TRY(decoder_.Load(layer_, changed));
  tried_.push_back(before_);
  return Forward(tried_.back());
}

Result<std::vector<double>> LayerProbe::Finish() {
  const size_t layers = decoder_.spec().layers.size();
  OCTET_CHECK(layer_ < layers);
  for (size_t layer = layer_; layer < layers; ++layer) {
    OCTET_TRY(decoder_.Load(layer, *weights_));
    if (layer == layer_) OCTET_TRY(Forward(before_));
    if (tried_.empty()) break;
    if (layer == layer_) continue;
    for (std::vector<float>& stream : tried_) OCTET_TRY(Forward(stream));
  }
  std::vector<double> divergences;
  if (!tried_.empty()) {
    Result<std::vector<double>> of_tried = DivergencesOf({decoder_, *context_, run_}, last_, tried_, kScoredEvery);
    if (!of_tried) return Prefixed(of_tried.error(), Cat("layer ", layer_, ": "));
    divergences = std::move(*of_tried);
  }
  tried_.clear();
  ++layer_;
  return divergences;
}

}  // namespace octet
