// How a text's tokens are cut for scoring: consecutive windows of one length, what is left over at the end dropped.
//
//   WindowPlan plan = OCTET_TRY(PlanWindows(ids.size(), {.context = 512}));
//   for (size_t i = 0; i < plan.count; ++i) Score(WindowTokens(ids, plan, i, bos));
//
// In each window the tokens from `score_from` on are predicted and scored, by default those behind the middle (257..511
// of 512, 255 predictions), so that each has at least half a window before it. This is how llama.cpp measures
// perplexity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"

namespace octet {

struct WindowOptions {
  size_t context = 512;
  size_t score_from = 0;  // first token of a window that is scored; 0: context / 2 + 1
  size_t chunks = 0;      // at most so many windows; 0: all
};

struct WindowPlan {
  size_t context = 0;
  size_t score_from = 0;
  size_t count = 0;  // windows

  size_t scored_per_window() const { return context - score_from; }
  size_t scored() const { return count * scored_per_window(); }
};

// Fails with invalid_argument where the text has fewer tokens than one window (both numbers named) or where score_from
// isn't within 1 .. context - 1.
Result<WindowPlan> PlanWindows(size_t tokens, const WindowOptions& options);

// Tokens of a window; the first one gives way to `bos` where there is one. Requires window < plan.count.
std::vector<int32_t> WindowTokens(std::span<const int32_t> ids, const WindowPlan& plan, size_t window,
                                  std::optional<int32_t> bos);

}  // namespace octet
