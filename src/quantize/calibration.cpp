#include "quantize/calibration.h"

#include "quantize/calibration_pass.h"
#include "quantize/nvfp4_rows.h"

namespace octet {
namespace {

constexpr size_t kSampledTokens = 256;  // that factors of INT8 inputs are measured on

}  // namespace

StatisticsWanted WantedFor(const Recipe& recipe, const ObserverChoice& observer) {
  StatisticsWanted wanted;
  if (recipe.search == Search::kMigrated) {
    wanted.sampled_tokens = kSampledTokens;
  } else {
    wanted.moments = recipe.calibration != Calibration::kNone;
  }
  if (recipe.rounds_inputs && observer.observer != Observer::kAmax)
    wanted.counted_block = recipe.encoding == Encoding::kNvfp4 ? kNvfp4BlockColumns : 1;
  return wanted;
}

float RangeOf(const InputStatistics& inputs, const ObserverChoice& observer, ThreadPool& pool) {
  return observer.observer == Observer::kAmax ? inputs.amax : ObservedRange(inputs.histogram, observer, pool);
}

Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text,
                                  const MeasureOptions& options, const QuantizeRun& run) {
  const size_t block = options.observer.observer == Observer::kAmax ? 0 : 1;
  CalibrationPass pass = OCTET_TRY(
      CalibrationPass::Start(checkpoint, text, {.wanted = {.counted_block = block}, .compute = options.compute}, run));
  run.progress.Begin("calibrate", TokensOf(text) * pass.layers(), "tokens");
  InputRanges ranges;
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    const Result<LayerInputs> inputs = pass.Measure([&](size_t tokens) { run.progress.Advance(tokens); });
    if (!inputs) return Prefixed(inputs.error(), Cat(checkpoint.path, ": "));
    for (const auto& [slot, statistics] : *inputs) ranges[slot] = RangeOf(statistics, options.observer, run.pool);
    OCTET_TRY(pass.Advance());
  }
  ranges["head"] = RangeOf(OCTET_TRY(pass.Head()), options.observer, run.pool);
  run.progress.End();
  return ranges;
}

}  // namespace octet
