// The walk that every measurement of a text shares: window by window, some scored positions at a time.
//
//   OCTET_TRY(ForEachBlock(text, run, read_window, score_block));
#pragma once

#include <functional>

#include "eval/scoring_model.h"

namespace octet {

// Fails with invalid_argument, naming id and place, for a token that a vocabulary of this size doesn't have.
Status CheckTokens(std::span<const int32_t> ids, size_t vocab_size);

// scores [rows]: the negative log-likelihood of targets[0 .. rows) under `logits` [rows, vocab].
void ScoreRows(std::span<const float> logits, std::span<const int32_t> targets, ThreadPool& pool, double* scores);

// For each window calls read(tokens), then score(tokens, first, count) over the positions whose successors are scored,
// at most kScoredRows at a time and in order. Stops at the first error and when the run is cancelled; shows progress in
// tokens.
Status ForEachBlock(const EvaluationText& text, const EvaluationRun& run,
                    const std::function<Status(std::span<const int32_t> window)>& read,
                    const std::function<Status(std::span<const int32_t> window, size_t first, size_t count)>& score);

}  // namespace octet
