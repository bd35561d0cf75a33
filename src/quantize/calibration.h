// What the inputs of a model's matrices reach on a text: what recipes with static scales of activations need to know.
//
//   CalibrationText text = OCTET_TRY(ReadCalibrationText(checkpoint, "text.txt", {.windows = 128}));
//   plan.inputs = OCTET_TRY(MeasureInputs(checkpoint, text, run));
//
// The whole model is in memory meanwhile, in its own precision.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "models/weights.h"
#include "quantize/quantize.h"

namespace octet {

struct CalibrationOptions {
  size_t windows = 128;  // at most
  size_t context = 512;  // tokens of one, fewer where the model has no room for so many
};

using CalibrationText = std::vector<std::vector<int32_t>>;  // tokens of each window

size_t TokensOf(const CalibrationText& text);

// Consecutive windows of a text file from its beginning; the first token of each is BOS where the tokenizer begins a
// text with it. Fails as the readers of file and tokenizer do, with invalid_argument where the text is shorter than one
// window, naming both.
Result<CalibrationText> ReadCalibrationText(const Checkpoint& checkpoint, const std::filesystem::path& file,
                                            const CalibrationOptions& options);

// Runs the model over the windows, one at a time; the result is the same for any number of threads. Fails with corrupt
// where an input is no finite number, naming its matrix; as the reader of the checkpoint does; with cancelled.
Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text, const QuantizeRun& run,
                                  ComputeType compute = ComputeType::kAuto);

}  // namespace octet
