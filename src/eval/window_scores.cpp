#include "eval/window_scores.h"

#include <algorithm>

#include "models/score.h"

namespace octet {

Status CheckTokens(std::span<const int32_t> ids, size_t vocab_size) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<size_t>(ids[i]) < vocab_size) continue;
    return Fail(ErrorCode::kInvalidArgument, "token ", i, " of the text has the id ", ids[i],
                ", the model's vocabulary ends at ", vocab_size, "; the tokenizer belongs to another model");
  }
  return {};
}

void ScoreRows(std::span<const float> logits, std::span<const int32_t> targets, ThreadPool& pool, double* scores) {
  const size_t vocab = logits.size() / targets.size();
  pool.ForEachShare(targets.size(), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      scores[row] = NegativeLogLikelihood(logits.subspan(row * vocab, vocab), static_cast<size_t>(targets[row]));
    }
  });
}

Status ForEachBlock(const EvaluationText& text, const EvaluationRun& run,
                    const std::function<Status(std::span<const int32_t> window)>& read,
                    const std::function<Status(std::span<const int32_t> window, size_t first, size_t count)>& score) {
  run.progress.Begin("evaluate", text.plan.count * text.plan.context, "tokens");
  for (size_t i = 0; i < text.plan.count; ++i) {
    OCTET_TRY(run.cancel.Check());
    const std::vector<int32_t> window = WindowTokens(text.ids, text.plan, i, text.bos);
    OCTET_TRY(read(window));
    for (size_t first = text.plan.score_from - 1; first + 1 < window.size(); first += kScoredRows) {
      OCTET_TRY(run.cancel.Check());
      OCTET_TRY(score(window, first, std::min(kScoredRows, window.size() - 1 - first)));
    }
    run.progress.Advance(window.size());
  }
  run.progress.End();
  return {};
}

}  // namespace octet
