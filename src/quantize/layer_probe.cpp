#include "quantize/layer_probe.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "models/hf_config.h"
#include "models/score.h"

namespace octet {
namespace {

constexpr size_t kScoredEvery = 2;  // neighbours say much the same, and the head is a large part of a small model
constexpr size_t kRowsOfLogits = 32;

}  // namespace

Result<LayerProbe> LayerProbe::Start(const Checkpoint& checkpoint, const CalibrationText& windows,
                                     const QuantizeRun& run) {
  const char* wish = std::getenv("OCTET_CPU");
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::SelectKernels(wish == nullptr ? "" : wish));
  ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  auto weights = std::make_unique<CheckpointWeights>(
      OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, run.pool)));
  weights->UseOwnMemory();
  LayerProbe probe(windows, run, OCTET_TRY(LayeredDecoder::Open(std::move(spec), *weights)));
  probe.weights_ = std::move(weights);
  probe.context_ = std::make_unique<nn::ExecutionContext>(run.pool, *kernels);
  OCTET_TRY(probe.decoder_.LoadHead(*probe.weights_));
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : windows) tokens.insert(tokens.end(), window.begin(), window.end());
  probe.before_.resize(tokens.size() * probe.decoder_.spec().hidden);
  OCTET_TRY(probe.decoder_.Embed(tokens, *kernels, probe.before_.data()));
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
  if (!tried_.empty()) divergences = OCTET_TRY(Divergences());
  tried_.clear();
  ++layer_;
  return divergences;
}

Status LayerProbe::Logits(const std::vector<float>& stream, size_t first, size_t count, std::vector<float>& logits) {
  const size_t hidden = decoder_.spec().hidden;
  std::vector<float> rows(count * hidden);
  for (size_t row = 0; row < count; ++row) {
    const size_t token = (first + row) * kScoredEvery + kScoredEvery - 1;
    std::copy_n(stream.data() + token * hidden, hidden, rows.data() + row * hidden);
  }
  logits.resize(count * decoder_.spec().vocab);
  return decoder_.Logits(count, *context_, rows.data(), logits.data());
}

Result<std::vector<double>> LayerProbe::Divergences() {
  const size_t vocab = decoder_.spec().vocab, scored = last_.size() / decoder_.spec().hidden / kScoredEvery;
  std::vector<double> sums(tried_.size()), of_rows(kRowsOfLogits);
  std::vector<float> of_original, of_changed;
  for (size_t first = 0; first < scored; first += kRowsOfLogits) {
    const size_t count = std::min(kRowsOfLogits, scored - first);
    OCTET_TRY(Logits(last_, first, count, of_original));
    for (size_t i = 0; i < tried_.size(); ++i) {
      OCTET_TRY(run_.cancel.Check());
      OCTET_TRY(Logits(tried_[i], first, count, of_changed));
      run_.pool.ForEachShare(count, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const size_t at = row * vocab;
          of_rows[row] = Compare({of_original.data() + at, vocab}, {of_changed.data() + at, vocab}, /*target=*/0).kl;
        }
      });
      for (size_t row = 0; row < count; ++row) sums[i] += of_rows[row];
    }
  }
  for (double& sum : sums) {
    if (!std::isfinite(sum)) {
      return Fail(ErrorCode::kCorrupt, "layer ", layer_,
                  ": the model's logits are no finite numbers once it is rounded");
    }
    sum /= static_cast<double>(std::max<size_t>(scored, 1));
  }
  return sums;
}

}  // namespace octet
