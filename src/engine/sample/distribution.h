// From logits to one token: the largest, or a draw from what temperature, min_p, top_k and top_p leave.
//
//   int32_t likeliest = ArgMax(logits);
//   Truncate(options, logits, scratch);               // what is dropped becomes minus infinity
//   int32_t token = Draw(logits, random.Uniform(request, step));
//
// Among equal logits the lower id counts as the larger, everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octet/sampling.h"

namespace octet {

struct Candidate {
  float logit = 0;
  int32_t token = 0;
};

// The more likely first; the lower id first among equals.
inline bool MoreLikely(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

// Id of the largest logit. Requires at least one logit and no NaN.
int32_t ArgMax(std::span<const float> logits);

// Divides by the temperature (which must be above 0), then min_p, top_k and top_p. min_p keeps p >= min_p * max p;
// top_k keeps k tokens; top_p keeps a token where the tokens before it sum to less than top_p of what top_k left. At
// least one stays. `scratch` is reserved to logits.size() by its owner, so that nothing is allocated here. Work: one
// pass, an exp per token for top_p only, and a sort of what top_k or top_p keep.
void Truncate(const SamplingOptions& options, std::span<float> logits, std::vector<Candidate>& scratch);

// The lowest id at which the running sum of exp(logit) goes above uniform * total, uniform in [0, 1). Overwrites the
// logits with their weights. Requires at least one finite logit.
int32_t Draw(std::span<float> logits, float uniform);

}  // namespace octet
