#include "engine/sample/logprobs.h"

#include <algorithm>
#include <cmath>

#include "engine/sample/distribution.h"

namespace octet {

LogSoftmax::LogSoftmax(std::span<const float> logits, BlockMaxima& maxima, const kernels::KernelTable& kernels)
    : maxima_(&maxima), largest_(maxima.largest()) {
  log_sum_ = std::log(kernels.sum_exp(logits.data(), largest_, 1, logits.size(), nullptr));
}

float LogSoftmax::Of(float logit) const {
  return static_cast<float>(static_cast<double>(logit) - static_cast<double>(largest_) - log_sum_);
}

std::vector<TokenLogprob> LogSoftmax::Top(size_t count) const {
  std::vector<Candidate> candidates;
  CollectLikeliest(count, *maxima_, candidates);
  std::sort(candidates.begin(), candidates.end(), MoreLikely);
  std::vector<TokenLogprob> top;
  for (const Candidate& candidate : candidates) top.push_back({candidate.token, Of(candidate.logit)});
  return top;
}

}  // namespace octet
