// The precision of each matrix of a model, chosen by what rounding it costs: recipe `auto`.
//
//   MixedPrecision mixed = OCTET_TRY(MeasureSensitivity(checkpoint, plan, windows, run));
//   OCTET_TRY(ChoosePrecision({.bits = 4.5}, mixed));
//   choices.by_slot = mixed.Choices();                    // and PlanQuantization again
//
// A part is a matrix as readers join it: q, k, v; the attention's output; gate, up; down. How far the output of the
// whole model moves is measured with each part in NVFP4 and in INT4, codes compensated; for the other candidates these
// divergences are scaled by the squared error of the part's products, since a divergence grows with the square of a
// small error (docs/decisions/mixed-precision.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quantize/bit_budget.h"
#include "quantize/calibration_text.h"
#include "quantize/quantize.h"

namespace octet {

// The divergence that was measured of one of a part's options, in nats.
struct MeasuredOption {
  size_t option = 0;
  double kl = 0;
};

struct MixedPart {
  std::string slot;                     // "layers.3.attn.qkv"
  uint64_t weights = 0;                 // of all its matrices
  std::vector<size_t> candidates = {};  // of the whole, those that the part can be stored as
  BudgetPart options = {};              // of each: bits with scales, predicted divergence in nats
  std::vector<MeasuredOption> measured = {};
  size_t chosen = 0;  // which of the options
};

struct MixedPrecision {
  std::vector<LayerChoice> candidates;
  std::vector<MixedPart> parts;
  std::vector<BudgetPoint> curve;  // by the budget's rule; bits of all parts
  double bits = 0;                 // chosen, a weight
  double predicted_kl = 0;

  uint64_t weights() const;
  std::map<std::string, LayerChoice, std::less<>> Choices() const;
};

// "int4 g64", "nvfp4", "bf16".
std::string Name(const LayerChoice& choice);

// What every candidate would cost every part. The plan is of recipe `auto`, `windows` what is calibrated on, of which
// the first few also measure the divergence. Fails as CalibrationPass and LayerProbe do.
Result<MixedPrecision> MeasureSensitivity(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                          const CalibrationText& windows, const QuantizeRun& run);

struct PrecisionBudget {
  std::optional<double> bits = {};    // a weight, scales counted, at most
  std::optional<double> max_kl = {};  // or the predicted divergence, at most
};

// Sets `chosen` of the parts. Fails with invalid_argument where no choice is within the budget, naming the nearest.
Status ChoosePrecision(const PrecisionBudget& budget, MixedPrecision& mixed);

}  // namespace octet
