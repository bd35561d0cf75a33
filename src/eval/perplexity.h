// How well a model predicts a text.
//
//   Perplexity result = OCTET_TRY(MeasurePerplexity(model, text, run));
//   Print(result.perplexity, " +/- ", result.standard_error, " over ", result.tokens, " tokens");
//
// Which tokens count: eval/windows.h.
#pragma once

#include "eval/scoring_model.h"

namespace octet {

struct Perplexity {
  double perplexity = 0;
  double standard_error = 0;
  double nll = 0;     // mean, in nats
  size_t tokens = 0;  // scored
  size_t windows = 0;
};

// Fails as the model does; with invalid_argument for a token outside the model's vocabulary; with internal where the
// logits are no numbers.
Result<Perplexity> MeasurePerplexity(ScoringModel& model, const EvaluationText& text, const EvaluationRun& run);

}  // namespace octet
