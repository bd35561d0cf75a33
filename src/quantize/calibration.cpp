#include "quantize/calibration.h"

#include "models/hf_config.h"
#include "quantize/calibration_pass.h"
#include "quantize/damaged_weights.h"
#include "quantize/nvfp4_rows.h"

namespace octet {
namespace {

constexpr size_t kSampledTokens = 256;  // that factors of INT8 inputs are measured on

// Neighbours whose largest magnitude an observer counts: those that share a scale; 0 where none counts.
size_t CountedBlock(const ObserverChoice& observer, Encoding encoding) {
  if (observer.observer == Observer::kAmax || !HasTensorScale(encoding)) return 0;
  return encoding == Encoding::kNvfp4 ? kNvfp4BlockColumns : 1;
}

}  // namespace

StatisticsWanted WantedFor(const Recipe& recipe, const ObserverChoice& observer, Encoding encoding) {
  StatisticsWanted wanted;
  if (recipe.search == Search::kMigrated) {
    wanted.sampled_tokens = kSampledTokens;
  } else {
    wanted.moments = recipe.calibration != Calibration::kNone;
  }
  if (recipe.rounds_inputs) wanted.counted_block = CountedBlock(observer, encoding);
  return wanted;
}

float RangeOf(const InputStatistics& inputs, const ObserverChoice& observer, ThreadPool& pool) {
  const bool is_counted = observer.observer != Observer::kAmax && inputs.histogram.total() > 0;
  return !is_counted ? inputs.amax : ObservedRange(inputs.histogram, observer, pool);
}

Result<InputRanges> MeasureInputs(const Checkpoint& checkpoint, const CalibrationText& text,
                                  const MeasureOptions& options, const QuantizeRun& run) {
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  const StatisticsWanted of_layers{.counted_block = CountedBlock(options.observer, options.layers)};
  const StatisticsWanted of_head{.counted_block = CountedBlock(options.observer, options.head)};
  CalibrationPass pass =
      OCTET_TRY(CalibrationPass::Start(checkpoint, text, {.wanted = of_layers, .compute = options.compute}, run));
  const auto failed = [&](size_t layer, const Error& error) {
    return Prefixed(NameDamagedWeight(*checkpoint.tensors, spec, layer, error, run), Cat(checkpoint.path, ": "));
  };
  run.progress.Begin("calibrate", TokensOf(text) * pass.layers(), "tokens");
  InputRanges ranges;
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    const Result<LayerInputs> inputs = pass.Measure([&](size_t tokens) { run.progress.Advance(tokens); });
    if (!inputs) return failed(layer, inputs.error());
    for (const auto& [slot, statistics] : *inputs) ranges[slot] = RangeOf(statistics, options.observer, run.pool);
    OCTET_TRY(pass.Advance());
  }
  const Result<InputStatistics> head = pass.Head(of_head);
  if (!head) return failed(pass.layers(), head.error());
  ranges["head"] = RangeOf(*head, options.observer, run.pool);
  run.progress.End();
  return ranges;
}

}  // namespace octet
