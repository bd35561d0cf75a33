#include "eval/compare.h"

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "eval/statistics.h"
#include "eval/window_scores.h"
#include "models/score.h"

namespace octet {
namespace {

// Sums over the text; 8 bytes a scored token, for the quantile.
struct Totals {
  LikelihoodSum a, b;
  std::vector<double> kl;
  size_t same_top = 0;

  void Add(const Divergence& divergence) {
    a.Add(divergence.nll_a);
    b.Add(divergence.nll_b);
    kl.push_back(divergence.kl);
    same_top += divergence.same_top ? 1 : 0;
  }
};

Perplexity ToPerplexity(const LikelihoodSum& sum, size_t windows) {
  return {.perplexity = sum.Perplexity(),
          .standard_error = sum.PerplexityError(),
          .nll = sum.Mean(),
          .tokens = sum.count(),
          .windows = windows};
}

// The rows of both models and what they say.
struct RowBlock {
  std::vector<float> a, b;
  std::vector<Divergence> divergences;
};

void CompareRows(RowBlock& block, std::span<const int32_t> targets, size_t vocab, ThreadPool& pool) {
  pool.ForEachShare(targets.size(), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      block.divergences[row] = Compare({block.a.data() + row * vocab, vocab}, {block.b.data() + row * vocab, vocab},
                                       static_cast<size_t>(targets[row]));
    }
  });
}

}  // namespace

Result<Comparison> CompareModels(ScoringModel& a, ScoringModel& b, const EvaluationText& text,
                                 const EvaluationRun& run) {
  const size_t vocab = a.vocab_size();
  if (vocab != b.vocab_size()) {
    return Fail(ErrorCode::kInvalidArgument, "the models' vocabularies differ: ", vocab, " and ",
                Counted(b.vocab_size(), "token"), "; a comparison needs two versions of one model");
  }
  OCTET_TRY(CheckTokens(text.ids, vocab));
  Totals totals;
  RowBlock block{std::vector<float>(kScoredRows * vocab), std::vector<float>(kScoredRows * vocab),
                 std::vector<Divergence>(kScoredRows)};
  const auto read = [&](std::span<const int32_t> window) -> Status {
    OCTET_TRY(a.Read(window, text.plan.score_from - 1));
    return b.Read(window, text.plan.score_from - 1);
  };
  const auto score = [&](std::span<const int32_t> window, size_t first, size_t count) -> Status {
    OCTET_TRY(a.Logits(first, count, block.a.data()));
    OCTET_TRY(b.Logits(first, count, block.b.data()));
    CompareRows(block, window.subspan(first + 1, count), vocab, run.pool);
    for (size_t row = 0; row < count; ++row) totals.Add(block.divergences[row]);
    return {};
  };
  OCTET_TRY(ForEachBlock(text, run, read, score));
  const double kl_mean = Mean(totals.kl);
  if (!std::isfinite(totals.a.Mean()) || std::isnan(kl_mean)) {
    return Fail(ErrorCode::kInternal, "the models' logits are no finite numbers: mean divergence ", kl_mean,
                "; weights may be damaged");
  }
  return Comparison{.kl_mean = kl_mean,
                    .kl_p99 = Quantile(totals.kl, 0.99),
                    .kl_max = *std::max_element(totals.kl.begin(), totals.kl.end()),
                    .top1 = static_cast<double>(totals.same_top) / static_cast<double>(totals.kl.size()),
                    .a = ToPerplexity(totals.a, text.plan.count),
                    .b = ToPerplexity(totals.b, text.plan.count)};
}

}  // namespace octet
