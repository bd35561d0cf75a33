#include "quantize/calibration.h"

#include "quantize/calibration_pass.h"

namespace octet {

Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text, const QuantizeRun& run,
                                  ComputeType compute) {
  CalibrationPass pass = OCTET_TRY(CalibrationPass::Start(checkpoint, text, {.compute = compute}, run));
  run.progress.Begin("calibrate", TokensOf(text) * pass.layers(), "tokens");
  InputRanges ranges;
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    const Result<LayerInputs> inputs = pass.Measure([&](size_t tokens) { run.progress.Advance(tokens); });
    if (!inputs) return Prefixed(inputs.error(), Cat(checkpoint.path, ": "));
    for (const auto& [slot, statistics] : *inputs) ranges[slot] = statistics.amax;
    OCTET_TRY(pass.Advance());
  }
  ranges["head"] = OCTET_TRY(pass.Head()).amax;
  run.progress.End();
  return ranges;
}

}  // namespace octet
