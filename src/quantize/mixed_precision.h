// The precision of each matrix of a model, chosen by what rounding it costs: recipe `auto`.
//
//   MixedPrecision mixed = OCTET_TRY(MeasureSensitivity(checkpoint, plan, windows, run));
//   OCTET_TRY(ChoosePrecision({.bits = 4.5}, mixed));
//   choices.by_slot = mixed.Choices();                    // and PlanQuantization again
//
// A part is a matrix as readers join it: q, k, v; the attention's output; gate, up; down. How far the output of the
// whole model moves is measured with each part in NVFP4 and in INT4, codes compensated; other divergences follow from
// the squared error of the part's products, since a divergence grows with the square of a small error
// (docs/decisions/mixed-precision.md).
#pragma once

#include <map>
#include <optional>
#include <span>
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

// A choice that was measured whole (quantize/choice_search.h).
struct TriedChoice {
  std::optional<double> margin = {};  // of what predictions say (quantize/choice_search.h); none: all matrices alike
  std::vector<size_t> choice;         // of each part, which of its options
  double bits = 0;                    // a weight
  double predicted_kl = 0;
  double kl = 0;  // measured, in nats
};

struct MixedPrecision {
  std::vector<LayerChoice> candidates;
  std::vector<MixedPart> parts;
  std::vector<BudgetPoint> curve;  // by the budget's rule; bits of all parts
  double bits = 0;                 // chosen, a weight
  double predicted_kl = 0;
  std::vector<TriedChoice> tried = {};
  size_t tried_windows = 0;  // that they were measured on

  uint64_t weights() const;
  // Sets `chosen` of the parts, bits and prediction.
  void Choose(const BudgetPoint& point);
  std::map<std::string, LayerChoice, std::less<>> Choices() const;
};

// "int4 g64", "nvfp4", "bf16".
std::string Name(const LayerChoice& choice);

// What every candidate would cost every part. The plan is of recipe `auto`; of `windows`, most are calibrated on, and
// of those that HoldOut leaves the first four measure the divergence. Fails as CalibrationPass and LayerProbe do.
Result<MixedPrecision> MeasureSensitivity(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                          const CalibrationText& windows, const QuantizeRun& run);

namespace internal {
// Squared errors, which `options` hold as losses, become divergences. What a unit of error costs differs from part to
// part, and between INT4 and other codes by a factor that all layers' parts of one kind ("attn.qkv") share, the
// geometric mean of theirs. A part's cost is the geometric mean of what its measurements say; of one that nothing
// moved, 0.
void PredictDivergences(std::span<MixedPart> parts);
}  // namespace internal

struct PrecisionBudget {
  std::optional<double> bits = {};    // a weight, scales counted, at most
  std::optional<double> max_kl = {};  // or the predicted divergence, at most
};

// Sets `chosen` of the parts. Fails with invalid_argument where no choice is within the budget, naming the nearest.
Status ChoosePrecision(const PrecisionBudget& budget, MixedPrecision& mixed);

}  // namespace octet
