// What the inputs of a model's matrices reach on a text: what recipes with static scales of activations need to know.
//
//   CalibrationText text = OCTET_TRY(ReadCalibrationText(checkpoint, "text.txt", {.windows = 128}));
//   plan.inputs = OCTET_TRY(MeasureInputs(checkpoint, text, run));
//
// One layer of the model is in memory at a time (quantize/calibration_pass.h). Reading the text:
// quantize/calibration_text.h.
#pragma once

#include "models/weights.h"
#include "quantize/calibration_text.h"
#include "quantize/quantize.h"

namespace octet {

// Runs the model over the windows, a layer at a time; the result is the same for any number of threads. Fails with
// corrupt where an input is no finite number, naming its matrix; as the reader of the checkpoint does; with cancelled.
Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text, const QuantizeRun& run,
                                  ComputeType compute = ComputeType::kAuto);

}  // namespace octet
