// Which of a few choices of precisions within a budget to write: those that predictions recommend, more and less
// trusted, beside the best precision for all matrices alike, by what each does to windows held back.
//
//   MixedPrecision mixed = OCTET_TRY(MeasureSensitivity(checkpoint, plan, windows, run));
//   OCTET_TRY(ChoosePrecision({.bits = 4.5}, mixed));
//   OCTET_TRY(TryChoices(checkpoint, plan, windows, 4.5, run, mixed));      // `chosen` may be another then
//
// Predictions come from few tokens and one matrix at a time, so that what looks best by them is partly luck: a choice
// that must gain more before it leaves the uniform one has less of that (docs/decisions/mixed-precision.md).
#pragma once

#include "quantize/mixed_precision.h"

namespace octet {

// The candidate of least predicted loss that every part can be stored as within `bits` a weight, unless that is to
// leave all as they are; an option of each part. Empty where there is none.
std::vector<size_t> BestUniform(const MixedPrecision& mixed, double bits);

// The choice within `bits` a weight where what an option loses more than that of `base` is taken to be 1 + margin times
// what is predicted, and what one of more bits loses less as many times smaller; one of as many bits or fewer never
// loses less. Empty where the smallest options are beyond the budget.
std::vector<size_t> ChooseWithMargin(const MixedPrecision& mixed, std::span<const size_t> base, double margin,
                                     double bits);

// Measures the best uniform choice and those of several margins, and sets `chosen` of the parts, `bits`, `predicted_kl`
// and `tried` of `mixed` to the one of least divergence, the first of equals. Leaves all as it is where no uniform
// choice is within the budget, or none differs. Fails as ChoiceTrial and PlanQuantization do.
Status TryChoices(const Checkpoint& checkpoint, const QuantizePlan& plan, const CalibrationText& windows, double bits,
                  const QuantizeRun& run, MixedPrecision& mixed);

}  // namespace octet
