#include "eval/perplexity.h"

#include <cmath>

#include "base/counted.h"
#include "eval/statistics.h"
#include "eval/window_scores.h"

namespace octet {
Result<Perplexity> MeasurePerplexity(ScoringModel& model, const EvaluationText& text, const EvaluationRun& run) {
  OCTET_TRY(CheckTokens(text.ids, model.vocab_size()));
  LikelihoodSum sum;
  std::vector<float> logits(kScoredRows * model.vocab_size());
  std::vector<double> scores(kScoredRows);
  const auto score_block = [&](std::span<const int32_t> window, size_t first, size_t count) -> Status {
    OCTET_TRY(model.Logits(first, count, logits.data()));
    const std::span<const int32_t> targets = window.subspan(first + 1, count);
    ScoreRows({logits.data(), count * model.vocab_size()}, targets, run.pool, scores.data());
    for (size_t row = 0; row < count; ++row) sum.Add(scores[row]);
    return {};
  };
  OCTET_TRY(ForEachBlock(
      text, run, [&](std::span<const int32_t> window) { return model.Read(window, text.plan.score_from - 1); },
      score_block));
  if (!std::isfinite(sum.Mean())) {
    return Fail(ErrorCode::kInternal, "the model's logits are no finite numbers: mean likelihood ", sum.Mean(),
                " over ", Counted(sum.count(), "token"), "; its weights may be damaged");
  }
  return Perplexity{.perplexity = sum.Perplexity(),
                    .standard_error = sum.PerplexityError(),
                    .nll = sum.Mean(),
                    .tokens = sum.count(),
                    .windows = text.plan.count};
}

}  // namespace octet
