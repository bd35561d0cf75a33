// Writing a quantised checkpoint: a Hugging Face directory whose linear layers are stored in a recipe's format.
//
//   QuantizeReport report = OCTET_TRY(QuantizeCheckpoint(checkpoint, plan, "models/fp8", run));
//   Print(report.weight_bytes, " of ", report.bf16_bytes, " bytes");
//
// Tensors stream through in slices of rows: memory doesn't grow with the model. Where it is calibrated, a layer is in
// memory at a time, with the second moments of its inputs (quantize/calibration_pass.h). The directory appears whole or
// not at all. What stays and why: quantize/precision_map.h. The files: docs/formats/compressed_tensors.md and
// modelopt.md.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "quantize/kv_plan.h"
#include "quantize/precision_map.h"
#include "quantize/recipe.h"

namespace octet {

// What magnitudes a static scale of the inputs of each matrix holds, by the slot of the joined matrix:
// "layers.3.attn.qkv" (models/model_spec.h). Who measures: quantize/calibration.h.
using InputRanges = std::map<std::string, float, std::less<>>;

// The alpha of SmoothQuant for each matrix by the same names, absent where its inputs stay as they were.
using MigrationStrengths = std::map<std::string, std::optional<double>, std::less<>>;

// What a calibration found out.
struct Calibrated {
  InputRanges ranges;
  MigrationStrengths strengths;  // of a recipe that migrates
};

// What is to be done. A recipe that calibrates is given `windows`, and the model runs while its layers are written, or
// ranges of inputs that were measured before, which suffice where nothing but they is stored.
struct QuantizePlan {
  const Recipe* recipe = nullptr;
  PrecisionChoices choices;
  PrecisionMap map;
  InputRanges inputs = {};  // to be given where the recipe rounds inputs and there are no windows
  std::vector<std::vector<int32_t>> windows = {};  // tokens to calibrate on
  size_t calibration_tokens = 0;                   // of the windows, or those that the ranges were measured on
  size_t window_length = 0;                        // tokens of the first of these windows
  std::string decoded_from = {};                   // how the source was quantised before it was decoded, empty for not
  std::optional<KvCheck> kv = {};                  // the cache's types and scales (quantize/kv_check.h); none: not said
};

struct QuantizeRun {
  ThreadPool& pool;
  Progress& progress;
  const CancelFlag& cancel;
  std::filesystem::path scratch = {};  // directory for what memory shouldn't hold; empty: TMPDIR, or /tmp
};

struct QuantizedTensor {
  TensorPrecision precision;
  double decibels = 0;  // signal over rounding noise; 0 for a tensor that stays, infinity where codes are exact
};

struct QuantizeReport {
  std::string recipe;
  std::filesystem::path source;
  PrecisionChoices choices;
  std::vector<QuantizedTensor> tensors;
  std::optional<KvCheck> kv = {};
  uint64_t weight_bytes = 0;                    // of all tensors written
  uint64_t bf16_bytes = 0;                      // of the source's tensors at two bytes an element
  double mean_decibels = 0;                     // over the quantised tensors that aren't exact; infinity where all are
  size_t calibration_tokens = 0;                // what scales of inputs were measured on
  size_t window_length = 0;                     // and the tokens of one window of it, 0 without
  bool is_compensated = false;                  // codes make up for each other's errors: choices.rounds_by_size counts
  std::string decoded_from = {};                // as in the plan
  Calibrated calibrated = {};                   // ranges only where the recipe rounds inputs by them
  std::vector<std::string> without_range = {};  // slots whose inputs were always 0, so that their scale is made up
  size_t ragged = 0;                            // matrices whose last group is short, which other readers don't take

  double ratio() const {
    return bf16_bytes == 0 ? 0 : static_cast<double>(weight_bytes) / static_cast<double>(bf16_bytes);
  }
};

// What quantization_report.json holds.
Json ToJson(const QuantizeReport& report);

// The plan for a checkpoint. Fails with invalid_argument where it is quantised already or a pattern matches nothing,
// unsupported for a model type that Octet doesn't know.
Result<QuantizePlan> PlanQuantization(const Checkpoint& checkpoint, const Recipe& recipe, PrecisionChoices choices);

// Requires the ranges of all inputs that are rounded. Fails as the source does; with exhausted where the disk is full,
// corrupt for a weight that is no number, invalid_argument where the directory may not be replaced
// (formats/staged_directory.h), cancelled. Nothing is left behind then.
Result<QuantizeReport> QuantizeCheckpoint(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                          const std::filesystem::path& directory, const QuantizeRun& run);

}  // namespace octet
