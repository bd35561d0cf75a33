// Log-probabilities of raw logits.
//
//   LogSoftmax raw(logits, maxima, kernels);    // block_maxima.h, which has read the logits
//   float chosen = raw.Of(logits[token]);
//   std::vector<TokenLogprob> top = raw.Top(5);
//
// Of and Top round in one place, so that a greedy token's value equals the largest of Top exactly.
#pragma once

#include <span>
#include <vector>

#include "engine/sample/block_maxima.h"
#include "kernels/kernel_table.h"
#include "octet/sampling.h"

namespace octet {

class LogSoftmax {
 public:
  // Keeps `maxima`. Requires finite logits. Work: an exp per logit.
  LogSoftmax(std::span<const float> logits, BlockMaxima& maxima, const kernels::KernelTable& kernels);

  float Of(float logit) const;
  // The `count` most likely tokens, most likely first, lower id first among equals.
  std::vector<TokenLogprob> Top(size_t count) const;

 private:
  BlockMaxima* maxima_;
  float largest_ = 0;
  double log_sum_ = 0;  // of exp(logit - largest)
};

}  // namespace octet
