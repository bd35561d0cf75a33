// A matrix as its codes would have it, in place of the original's: for who runs a model in precisions that aren't
// written yet.
//
//   const ErrorWeights known = KnownErrors(inputs, plan, pool);                // of the slot that the matrix is in
//   OCTET_TRY(ReplaceByCodes(checkpoint, tensor, globals, known, pool, edited));
//
// The codes are those that QuantizeCheckpoint would write with the same inputs. Who uses it:
// quantize/mixed_precision.h, quantize/choice_trial.h.
#pragma once

#include "quantize/edited_source.h"
#include "quantize/error_weights.h"
#include "quantize/global_scales.h"
#include "quantize/input_statistics.h"
#include "quantize/quantize.h"

namespace octet {

// Errors weighed and compensated as the plan's recipe does it, and drift made up for where it is known. Requires
// moments. Work: that of FactorMoments; where there is drift twice, since it is damped by itself, and of
// DriftCorrection.
ErrorWeights KnownErrors(const InputStatistics& inputs, const QuantizePlan& plan, ThreadPool& pool);

// Requires a quantised tensor, and its global scale where the encoding has one. Memory: the matrix three times, as
// floats. Fails as the reader of the checkpoint does.
Status ReplaceByCodes(const Checkpoint& checkpoint, const TensorPrecision& tensor, const GlobalScales& globals,
                      const ErrorWeights& known, ThreadPool& pool, EditedSource& edited);

}  // namespace octet
