// What changing the weights of a layer does to a model's predictions: the KL divergence of its output on a few windows.
//
//   LayerProbe probe = OCTET_TRY(LayerProbe::Start(checkpoint, windows, run));
//   for (size_t layer = 0; layer < layers; ++layer) {
//     OCTET_TRY(probe.Try(changed));                            // as often as there are changes to try
//     std::vector<double> kl = OCTET_TRY(probe.Finish());       // of each; the probe is at the next layer then
//   }
//
// One layer and the output head are in memory at a time, with the residual streams of all that is tried: the layers
// behind are read once for each layer, and the windows go through them once for each change.
#pragma once

#include <memory>

#include "models/layered_decoder.h"
#include "quantize/calibration_text.h"
#include "quantize/quantize.h"

namespace octet {

class LayerProbe {
 public:
  // Runs the windows through the original once. Checkpoint, windows and what `run` refers to must outlive the probe.
  // Fails as the reader of the checkpoint does, with exhausted where memory is out, with cancelled.
  static Result<LayerProbe> Start(const Checkpoint& checkpoint, const CalibrationText& windows, const QuantizeRun& run);

  LayerProbe(LayerProbe&&) noexcept = default;

  // Runs the windows through the current layer with these weights and keeps where they come out.
  Status Try(WeightProvider& changed);

  // For each that was tried, in order: KL(original || changed), in nats, the mean over every second token. Fails with
  // corrupt where the changed model's logits are no numbers. The bits don't depend on the number of threads.
  Result<std::vector<double>> Finish();

 private:
  LayerProbe(const CalibrationText& windows, const QuantizeRun& run, LayeredDecoder decoder)
      : windows_(&windows), run_(run), decoder_(std::move(decoder)) {}

  // A residual stream through the loaded layer.
  Status Forward(std::vector<float>& stream);

  const CalibrationText* windows_;
  QuantizeRun run_;  // of references
  std::unique_ptr<CheckpointWeights> weights_;
  std::unique_ptr<nn::ExecutionContext> context_;
  LayeredDecoder decoder_;
  size_t layer_ = 0;
  std::vector<float> before_;              // [tokens, hidden] of the original, before the current layer
  std::vector<float> last_;                // behind the last one
  std::vector<std::vector<float>> tried_;  // behind the current layer as changed
};

}  // namespace octet
