#include "eval/windows.h"

#include <algorithm>

#include "base/counted.h"

namespace octet {

Result<WindowPlan> PlanWindows(size_t tokens, const WindowOptions& options) {
  WindowPlan plan{.context = options.context, .score_from = options.score_from};
  if (plan.context < 2) {
    return Fail(ErrorCode::kInvalidArgument, "a context of ", plan.context, " holds no prediction; take 2 or more");
  }
  if (plan.score_from == 0) plan.score_from = std::min(plan.context / 2 + 1, plan.context - 1);
  if (plan.score_from >= plan.context) {
    return Fail(ErrorCode::kInvalidArgument, "scoring from token ", plan.score_from, " leaves nothing of a window of ",
                Counted(plan.context, "token"), "; take 1..", plan.context - 1);
  }
  if (tokens < plan.context) {
    return Fail(ErrorCode::kInvalidArgument, "the text has ", Counted(tokens, "token"), ", one window needs ",
                plan.context, "; take a longer text or a smaller --context");
  }
  plan.count = tokens / plan.context;
  if (options.chunks != 0) plan.count = std::min(plan.count, options.chunks);
  return plan;
}

std::vector<int32_t> WindowTokens(std::span<const int32_t> ids, const WindowPlan& plan, size_t window,
                                  std::optional<int32_t> bos) {
  const std::span<const int32_t> part = ids.subspan(window * plan.context, plan.context);
  std::vector<int32_t> tokens(part.begin(), part.end());
  if (bos) tokens.front() = *bos;
  return tokens;
}

}  // namespace octet
