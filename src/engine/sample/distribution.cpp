#include "engine/sample/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octet {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();

void DropBelow(float threshold, std::span<float> logits) {
  for (float& logit : logits) {
    if (logit < threshold) logit = kDropped;
  }
}

void CollectCandidates(std::span<const float> logits, std::vector<Candidate>& candidates) {
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kDropped) candidates.push_back({logits[i], static_cast<int32_t>(i)});
  }
}

void KeepFirst(size_t count, std::span<float> logits, std::vector<Candidate>& candidates) {
  for (size_t i = count; i < candidates.size(); ++i) logits[static_cast<size_t>(candidates[i].token)] = kDropped;
  candidates.resize(count);
}

// How many of the candidates, most likely first, reach top_p of their sum. The kept ones end up in front. Sorting grows
// in steps, since the answer is mostly a few dozen out of a hundred thousand.
size_t CountTopP(float top_p, float largest, std::vector<Candidate>& candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += std::exp(candidate.logit - largest);
  const double wanted = static_cast<double>(top_p) * total;
  double sum = 0;
  size_t sorted = 0;
  for (size_t goal = 64; sorted < candidates.size(); goal *= 8) {
    const size_t end = std::min(goal, candidates.size());
    const auto at = [&](size_t index) { return candidates.begin() + static_cast<std::ptrdiff_t>(index); };
    if (end < candidates.size()) std::nth_element(at(sorted), at(end), candidates.end(), MoreLikely);
    std::sort(at(sorted), at(end), MoreLikely);
    for (; sorted < end; ++sorted) {
      if (sorted > 0 && sum >= wanted) return sorted;
      sum += std::exp(candidates[sorted].logit - largest);
    }
  }
  return candidates.size();
}

}  // namespace

int32_t ArgMax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
}

void Truncate(const SamplingOptions& options, std::span<float> logits, std::vector<Candidate>& scratch) {
  for (float& logit : logits) logit /= options.temperature;
  const float largest = logits[static_cast<size_t>(ArgMax(logits))];
  if (options.min_p > 0) DropBelow(largest + std::log(options.min_p), logits);

  const size_t top_k = options.top_k == 0 ? logits.size() : static_cast<size_t>(options.top_k);
  if (top_k >= logits.size() && options.top_p >= 1) return;
  CollectCandidates(logits, scratch);
  if (top_k < scratch.size()) {
    std::nth_element(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(top_k), scratch.end(), MoreLikely);
    KeepFirst(top_k, logits, scratch);
    // The sum below runs over ids, so that it doesn't depend on how the selection left them.
    std::sort(scratch.begin(), scratch.end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  }
  if (options.top_p < 1) KeepFirst(CountTopP(options.top_p, largest, scratch), logits, scratch);
}

int32_t Draw(std::span<float> logits, float uniform) {
  const float largest = logits[static_cast<size_t>(ArgMax(logits))];
  double total = 0;
  for (float& logit : logits) {
    logit = logit == kDropped ? 0 : std::exp(logit - largest);
    total += logit;
  }
  const double target = static_cast<double>(uniform) * total;
  double sum = 0;
  size_t token = 0;
  // The last sum equals `total`, which is above the target, so the walk ends inside.
  for (; token + 1 < logits.size(); ++token) {
    sum += logits[token];
    if (sum > target) break;
  }
  return static_cast<int32_t>(token);
}

}  // namespace octet
