// From logits to one token: a draw from what temperature, min_p, top_k and top_p leave.
//
//   Distribution distribution(options, vocab, kernels);
//   distribution.Truncate(maxima);                     // block_maxima.h, which has read the logits
//   int32_t token = distribution.Draw(random.Uniform(request, step));
//
// Among equal logits the lower id counts as the larger, everywhere. What is left are a few candidates, found by way of
// the blocks' maxima, or, where the distribution is flat, a weight for each token of the vocabulary.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sample/block_maxima.h"
#include "kernels/kernel_table.h"
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

// The `count` likeliest tokens, or all where there are fewer, in no order. `candidates` is overwritten.
void CollectLikeliest(size_t count, BlockMaxima& maxima, std::vector<Candidate>& candidates);

class Distribution {
 public:
  // The temperature must be above 0. Takes all memory that the other calls need. The table must outlive the object.
  Distribution(const SamplingOptions& options, size_t vocab, const kernels::KernelTable& kernels);

  // Divides by the temperature, then min_p, top_k and top_p. min_p keeps p >= min_p * max p; top_k keeps k tokens;
  // top_p keeps a token where the tokens before it sum to less than top_p of what min_p and top_k left. At least one
  // stays. `logits` [vocab] are those that `maxima` has read; minus infinity is dropped already, and at least one is
  // finite. Work: a pass over the blocks; without top_k an exp per token; a sort of what stays, up to a few hundred.
  void Truncate(std::span<const float> logits, BlockMaxima& maxima);

  // The lowest id at which the running sum of weights goes above uniform * total, uniform in [0, 1).
  int32_t Draw(float uniform) const;

  // The weight of each token, relative to the likeliest token's 1; 0 where it is dropped.
  std::vector<float> Weights() const;

 private:
  void Collect(float bound, const BlockMaxima& maxima);
  double CandidateSum() const;
  void KeepTopK();
  void KeepTopP(double total);
  double Weigh();
  void DropBelow(float bound);
  void CutTail();
  void KeepFirstOfBucket(uint16_t bucket, double wanted);
  int32_t DrawCandidate(float uniform) const;

  const kernels::KernelTable* kernels_;
  size_t vocab_;
  float temperature_, min_p_, top_p_;
  size_t top_k_;
  std::span<const float> logits_;
  float shift_ = 0;                    // the largest logit
  float largest_ = 0;                  // of the logits divided by the temperature, like those of candidates
  bool few_ = true;                    // candidates_ hold what is left, else weights_
  std::vector<Candidate> candidates_;  // in the order of tokens
  std::vector<float> weights_;         // [vocab], where options leave a choice among all tokens
  std::vector<uint16_t> buckets_;      // [vocab], how far below the largest a token is
  std::vector<double> bucket_sums_;
};

}  // namespace octet
