// How far one model's predictions are from another's on the same text: what a quantisation costs.
//
//   Comparison result = OCTET_TRY(CompareModels(original, quantised, text, run));
//   Print(result.kl_mean, result.kl_p99, result.top1);
//
// Both run window by window over the same tokens, so memory holds two models and a few rows of logits, whatever the
// text.
#pragma once

#include "eval/perplexity.h"

namespace octet {

struct Comparison {
  double kl_mean = 0;  // KL(A || B) per scored token, in nats
  double kl_p99 = 0;
  double kl_max = 0;
  double top1 = 0;  // share of positions where both rank the same token first
  Perplexity a, b;
};

// `a` is the reference. Fails with invalid_argument where the vocabularies differ in size, else as MeasurePerplexity.
Result<Comparison> CompareModels(ScoringModel& a, ScoringModel& b, const EvaluationText& text,
                                 const EvaluationRun& run);

}  // namespace octet
