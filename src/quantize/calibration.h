// What the inputs of a model's matrices reach on a text: what recipes with static scales of activations need to know.
//
//   CalibrationText text = OCTET_TRY(ReadCalibrationText(checkpoint, "text.txt", {.windows = 128}));
//   plan.inputs = OCTET_TRY(MeasureInputs(checkpoint, text, {.observer = {Observer::kMse}}, run));
//
// One layer of the model is in memory at a time (quantize/calibration_pass.h). Reading the text:
// quantize/calibration_text.h.
#pragma once

#include "models/weights.h"
#include "quantize/calibration_text.h"
#include "quantize/input_statistics.h"
#include "quantize/quantize.h"

namespace octet {

// What a recipe has to know of the inputs of matrices in an encoding, for the ranges that an observer gives.
StatisticsWanted WantedFor(const Recipe& recipe, const ObserverChoice& observer, Encoding encoding);

// What the observer makes of the histogram; the largest magnitude where there is none.
float RangeOf(const InputStatistics& inputs, const ObserverChoice& observer, ThreadPool& pool);

struct MeasureOptions {
  ObserverChoice observer = {};
  Encoding layers = Encoding::kE4M3Tensor;  // of the layers' matrices: what an observer counts depends on it
  Encoding head = Encoding::kE4M3Tensor;    // of the output head
  ComputeType compute = ComputeType::kAuto;
};

// Runs the model over the windows, a layer at a time; the result is the same for any number of threads. Fails with
// corrupt where an input is no finite number, naming its matrix; as the reader of the checkpoint does; with cancelled.
Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text,
                                  const MeasureOptions& options, const QuantizeRun& run);

}  // namespace octet
