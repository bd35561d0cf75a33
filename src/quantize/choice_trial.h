// What a whole choice of precisions does to a model's predictions, before it is written: codes are made layer by layer
// as QuantizeCheckpoint makes them, and windows that had no part in that go through them.
//
//   ChoiceTrial trial = OCTET_TRY(ChoiceTrial::Start(checkpoint, windows, run));
//   run.progress.Begin("try choices", plans * trial.tokens(), "tokens");
//   double kl = OCTET_TRY(trial.Divergence(plan));            // as often as there are plans to try
//
// One layer and the output head are in memory at a time, with the windows' residual streams. Who tries what:
// quantize/choice_search.h.
#pragma once

#include <memory>

#include "quantize/calibration_pass.h"
#include "quantize/quantize.h"

namespace octet {

class ChoiceTrial {
 public:
  // Measures on the windows that HoldOut leaves (quantize/calibration_text.h), calibrates on the first 16 others. Runs
  // the original once. Checkpoint and what `run` refers to must outlive the trial. Fails as the reader of the
  // checkpoint does, with exhausted where memory is out, with cancelled.
  static Result<ChoiceTrial> Start(const Checkpoint& checkpoint, const CalibrationText& windows,
                                   const QuantizeRun& run);

  // KL(original || plan), in nats, the mean over every token of the windows held back. The plan is of a recipe that
  // compensates. Advances the progress by tokens(). The bits don't depend on the number of threads. Fails as
  // CalibrationPass does, with corrupt where logits are no finite numbers.
  Result<double> Divergence(const QuantizePlan& plan);

  size_t held_out_windows() const { return held_out_.size(); }
  uint64_t tokens() const;  // that go through a layer, in one trial

 private:
  ChoiceTrial(const Checkpoint& checkpoint, const QuantizeRun& run, LayeredDecoder decoder)
      : checkpoint_(checkpoint), run_(run), decoder_(std::move(decoder)) {}

  // Windows held out through the layer with these weights.
  Status Forward(size_t layer, WeightProvider& weights, std::vector<float>& stream);

  const Checkpoint& checkpoint_;
  QuantizeRun run_;  // of references
  std::unique_ptr<CheckpointWeights> weights_;
  std::unique_ptr<nn::ExecutionContext> context_;
  LayeredDecoder decoder_;
  CalibrationText calibrated_, held_out_;
  std::vector<float> first_;  // [tokens held out, hidden], before the first layer
  std::vector<float> last_;   // behind the last one of the original
};

}  // namespace octet
