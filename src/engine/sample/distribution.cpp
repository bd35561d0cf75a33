#include "engine/sample/distribution.h"

#include <algorithm>
#include <cmath>

namespace octet {
namespace {

// Up to so many blocks a walk over candidates costs less than one over the whole vocabulary.
constexpr size_t kFewBlocks = 256;

// Buckets of 1/64 in the logit; the last one takes everything that is 32 or more below the largest.
constexpr float kBucketsPerUnit = 64;
constexpr size_t kBuckets = 2048;
// Neighbouring tokens add to different rows, so that no addition waits for the one before.
constexpr size_t kBucketRows = 4;

constexpr size_t kBlock = BlockMaxima::kBlock;

bool InOrderOfTokens(const Candidate& a, const Candidate& b) { return a.token < b.token; }

double WeightOf(const Candidate& candidate, float largest) { return std::exp(candidate.logit - largest); }

// Leaves the `count` likeliest in front, in no order.
void SelectLikeliest(size_t count, std::vector<Candidate>& candidates) {
  if (count >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end(),
                   MoreLikely);
  candidates.resize(count);
}

// How many candidates, most likely first, it takes to reach the wanted sum of weights. These end up in front. Sorting
// grows in steps, since the answer is mostly a few dozen.
size_t CountToReach(double wanted, float largest, std::vector<Candidate>& candidates) {
  double sum = 0;
  size_t sorted = 0;
  for (size_t goal = 64; sorted < candidates.size(); goal *= 8) {
    const size_t end = std::min(goal, candidates.size());
    const auto at = [&](size_t index) { return candidates.begin() + static_cast<std::ptrdiff_t>(index); };
    if (end < candidates.size()) std::nth_element(at(sorted), at(end), candidates.end(), MoreLikely);
    std::sort(at(sorted), at(end), MoreLikely);
    for (; sorted < end; ++sorted) {
      if (sorted > 0 && sum >= wanted) return sorted;
      sum += WeightOf(candidates[sorted], largest);
    }
  }
  return candidates.size();
}

float SumOf(const float* weights, size_t count) {
  float lanes[16] = {};
  size_t at = 0;
  for (; at + 16 <= count; at += 16) {
    for (size_t lane = 0; lane < 16; ++lane) lanes[lane] += weights[at + lane];
  }
  float sum = 0;
  for (; at < count; ++at) sum += weights[at];
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

void CollectLikeliest(size_t count, BlockMaxima& maxima, std::vector<Candidate>& candidates) {
  candidates.clear();
  maxima.ForEachAtLeast(maxima.BoundFor(count), 1, [&](float logit, int32_t token) {
    candidates.push_back({logit, token});
  });
  SelectLikeliest(count, candidates);
}

Distribution::Distribution(const SamplingOptions& options, size_t vocab, const kernels::KernelTable& kernels)
    : kernels_(&kernels),
      vocab_(vocab),
      temperature_(options.temperature),
      min_p_(options.min_p),
      top_p_(options.top_p),
      top_k_(options.top_k == 0 ? vocab : std::min(vocab, static_cast<size_t>(options.top_k))) {
  candidates_.reserve(vocab);
  if (top_k_ < vocab) return;
  weights_.resize(vocab);
  if (top_p_ >= 1) return;
  buckets_.resize(vocab);
  bucket_sums_.resize(kBuckets * kBucketRows);
}

void Distribution::Truncate(std::span<const float> logits, BlockMaxima& maxima) {
  logits_ = logits;
  shift_ = maxima.largest();
  largest_ = shift_ / temperature_;
  const float bound = min_p_ > 0 ? largest_ + std::log(min_p_) : kDropped;
  if (top_k_ < vocab_) {
    Collect(std::max(bound, maxima.BoundFor(top_k_) / temperature_), maxima);
    KeepTopK();
    if (top_p_ < 1) KeepTopP(top_p_ * CandidateSum());
    return;
  }
  const float bound_of_few = maxima.BoundFor(kFewBlocks) / temperature_;
  if (bound >= bound_of_few) {
    Collect(bound, maxima);
    if (top_p_ < 1) KeepTopP(top_p_ * CandidateSum());
    return;
  }
  const double total = Weigh();
  if (top_p_ < 1 && bound == kDropped) {
    Collect(bound_of_few, maxima);
    if (CandidateSum() >= top_p_ * total) return KeepTopP(top_p_ * total);
    few_ = false;
  }
  if (bound > kDropped) DropBelow(bound);
  if (top_p_ < 1) CutTail();
}

void Distribution::Collect(float bound, const BlockMaxima& maxima) {
  few_ = true;
  candidates_.clear();
  maxima.ForEachAtLeast(bound, temperature_, [this](float logit, int32_t token) {
    candidates_.push_back({logit, token});
  });
}

double Distribution::CandidateSum() const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += WeightOf(candidate, largest_);
  return sum;
}

void Distribution::KeepTopK() {
  SelectLikeliest(top_k_, candidates_);
  // Sums run over ids, so that they don't depend on how the selection left them.
  std::sort(candidates_.begin(), candidates_.end(), InOrderOfTokens);
}

void Distribution::KeepTopP(double wanted) {
  candidates_.resize(CountToReach(wanted, largest_, candidates_));
  std::sort(candidates_.begin(), candidates_.end(), InOrderOfTokens);
}

double Distribution::Weigh() {
  few_ = false;
  return kernels_->sum_exp(logits_.data(), shift_, 1 / temperature_, vocab_, weights_.data());
}

void Distribution::DropBelow(float bound) {
  for (size_t i = 0; i < vocab_; ++i) weights_[i] = logits_[i] / temperature_ >= bound ? weights_[i] : 0;
}

// top_p by a histogram of weights: whole buckets stay or go, and only the one where the sum is reached is sorted.
void Distribution::CutTail() {
  std::fill(bucket_sums_.begin(), bucket_sums_.end(), 0);
  const float scale = kBucketsPerUnit / temperature_;
  for (size_t i = 0; i < vocab_; ++i) {
    const float distance = (shift_ - logits_[i]) * scale;
    buckets_[i] = static_cast<uint16_t>(static_cast<int>(std::min(distance, static_cast<float>(kBuckets - 1))));
  }
  for (size_t i = 0; i < vocab_; ++i)
    bucket_sums_[i % kBucketRows * kBuckets + buckets_[i]] += static_cast<double>(weights_[i]);
  const auto sum_of = [this](size_t bucket) {
    double sum = 0;
    for (size_t row = 0; row < kBucketRows; ++row) sum += bucket_sums_[row * kBuckets + bucket];
    return sum;
  };
  double total = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) total += sum_of(bucket);
  double wanted = top_p_ * total;
  size_t bucket = 0;
  for (; bucket + 1 < kBuckets && sum_of(bucket) < wanted; ++bucket) wanted -= sum_of(bucket);
  KeepFirstOfBucket(static_cast<uint16_t>(bucket), wanted);
}

// Drops what lies beyond the bucket, and of the bucket itself all but the likeliest that reach the wanted sum.
void Distribution::KeepFirstOfBucket(uint16_t bucket, double wanted) {
  candidates_.clear();
  for (size_t begin = 0; begin < vocab_; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, vocab_);
    int found = 0;
    for (size_t i = begin; i < end; ++i) found += buckets_[i] == bucket;
    for (size_t i = begin; i < end; ++i) weights_[i] = buckets_[i] > bucket ? 0 : weights_[i];
    for (size_t i = begin; found > 0 && i < end; ++i) {
      if (buckets_[i] == bucket && weights_[i] > 0)
        candidates_.push_back({logits_[i] / temperature_, static_cast<int32_t>(i)});
    }
  }
  for (size_t i = CountToReach(wanted, largest_, candidates_); i < candidates_.size(); ++i)
    weights_[static_cast<size_t>(candidates_[i].token)] = 0;
}

int32_t Distribution::DrawCandidate(float uniform) const {
  const double target = static_cast<double>(uniform) * CandidateSum();
  double sum = 0;
  // The last sum equals `total`, which is above the target, so the walk ends inside.
  for (const Candidate& candidate : candidates_) {
    sum += WeightOf(candidate, largest_);
    if (sum > target) return candidate.token;
  }
  return candidates_.back().token;
}

int32_t Distribution::Draw(float uniform) const {
  if (few_) return DrawCandidate(uniform);
  double total = 0;
  const auto block_sum = [this](size_t begin) {
    return static_cast<double>(SumOf(weights_.data() + begin, std::min(kBlock, vocab_ - begin)));
  };
  for (size_t begin = 0; begin < vocab_; begin += kBlock) total += block_sum(begin);
  const double target = static_cast<double>(uniform) * total;
  double sum = 0;
  size_t begin = 0;
  for (; begin + kBlock < vocab_; begin += kBlock) {
    const double next = sum + block_sum(begin);
    if (next > target) break;
    sum = next;
  }
  size_t last = begin;  // with a weight: where rounding keeps the sum of single weights below that of their block
  for (size_t i = begin; i < std::min(begin + kBlock, vocab_); ++i) {
    if (weights_[i] == 0) continue;
    last = i;
    sum += static_cast<double>(weights_[i]);
    if (sum > target) break;
  }
  return static_cast<int32_t>(last);
}

std::vector<float> Distribution::Weights() const {
  if (!few_) return weights_;
  std::vector<float> weights(vocab_);
  for (const Candidate& candidate : candidates_)
    weights[static_cast<size_t>(candidate.token)] = static_cast<float>(WeightOf(candidate, largest_));
  return weights;
}

}  // namespace octet
