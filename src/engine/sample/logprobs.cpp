#include "engine/sample/logprobs.h"

#include <algorithm>
#include <cmath>

#include "engine/sample/distribution.h"

namespace octet {

LogSoftmax::LogSoftmax(std::span<const float> logits)
    : logits_(logits), largest_(logits[static_cast<size_t>(ArgMax(logits))]) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest_);
  log_sum_ = std::log(sum);
}

float LogSoftmax::Of(float logit) const {
  return static_cast<float>(static_cast<double>(logit) - static_cast<double>(largest_) - log_sum_);
}

std::vector<TokenLogprob> LogSoftmax::Top(size_t count) const {
  std::vector<Candidate> candidates(logits_.size());
  for (size_t i = 0; i < logits_.size(); ++i) candidates[i] = {logits_[i], static_cast<int32_t>(i)};
  const size_t kept = std::min(count, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept), candidates.end(),
                    MoreLikely);
  std::vector<TokenLogprob> top(kept);
  for (size_t i = 0; i < kept; ++i) top[i] = {candidates[i].token, Of(candidates[i].logit)};
  return top;
}

}  // namespace octet
