#include "engine/sample/block_maxima.h"

#include <functional>

namespace octet {
namespace {

float Larger(float a, float b) { return a > b ? a : b; }

// Four running maxima of two each, so that the compiler's vectors don't wait for each other.
float MaximumOf(const float* block) {
  constexpr size_t kLanes = 4;
  float first[kLanes], second[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) first[lane] = block[lane];
  for (size_t lane = 0; lane < kLanes; ++lane) second[lane] = block[kLanes + lane];
  for (size_t at = 2 * kLanes; at < BlockMaxima::kBlock; at += 2 * kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) first[lane] = Larger(block[at + lane], first[lane]);
    for (size_t lane = 0; lane < kLanes; ++lane) second[lane] = Larger(block[at + kLanes + lane], second[lane]);
  }
  for (size_t lane = 0; lane < kLanes; ++lane) first[lane] = Larger(second[lane], first[lane]);
  return Larger(Larger(first[0], first[1]), Larger(first[2], first[3]));
}

}  // namespace

void BlockMaxima::Read(std::span<const float> logits) {
  logits_ = logits;
  const size_t whole = logits.size() / kBlock;
  for (size_t block = 0; block < whole; ++block) maxima_[block] = MaximumOf(logits.data() + block * kBlock);
  if (whole < maxima_.size()) {
    const std::span<const float> rest = logits.subspan(whole * kBlock);
    maxima_[whole] = *std::max_element(rest.begin(), rest.end());
  }
  const auto best = std::max_element(maxima_.begin(), maxima_.end());
  const auto begin = logits.begin() + (best - maxima_.begin()) * static_cast<std::ptrdiff_t>(kBlock);
  likeliest_ = static_cast<int32_t>(std::find(begin, logits.end(), *best) - logits.begin());
}

float BlockMaxima::BoundFor(size_t count) {
  if (count == 0 || count > maxima_.size()) return kDropped;
  std::copy(maxima_.begin(), maxima_.end(), sorted_.begin());
  const auto at = sorted_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(sorted_.begin(), at, sorted_.end(), std::greater<>());
  return *at;
}

}  // namespace octet
