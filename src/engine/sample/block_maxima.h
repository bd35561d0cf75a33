// The largest logit of each block of 64: what lets a search for the few likeliest of a large vocabulary pass over
// nearly all of it.
//
//   BlockMaxima maxima(vocab);
//   maxima.Read(logits);
//   int32_t token = maxima.likeliest();
//   maxima.ForEachAtLeast(maxima.BoundFor(40), 1, found);   // at least 40 logits, the 40 largest among them
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace octet {

// The logit of a token that can't be drawn.
inline constexpr float kDropped = -std::numeric_limits<float>::infinity();

class BlockMaxima {
 public:
  static constexpr size_t kBlock = 64;

  explicit BlockMaxima(size_t vocab) : maxima_((vocab + kBlock - 1) / kBlock), sorted_(maxima_.size()) {}

  // Keeps the span [vocab], which holds no NaN. Work: one pass.
  void Read(std::span<const float> logits);

  // The lowest id among those of the largest logit.
  int32_t likeliest() const { return likeliest_; }
  float largest() const { return logits_[static_cast<size_t>(likeliest_)]; }

  // A bound that at least `count` logits reach, or minus infinity. Work: a selection among the blocks.
  float BoundFor(size_t count);

  // How many blocks have a logit of which logit / divisor is at least `bound`.
  size_t BlocksAtLeast(float bound, float divisor) const {
    const auto reaches = [&](float maximum) { return maximum / divisor >= bound; };
    return static_cast<size_t>(std::count_if(maxima_.begin(), maxima_.end(), reaches));
  }

  // Calls found(logit / divisor, token) where that quotient is at least `bound`, in the order of tokens, but for minus
  // infinity.
  template <class Found>
  void ForEachAtLeast(float bound, float divisor, Found&& found) const {
    // A little below every logit whose quotient rounds to the bound: so only few are divided.
    const float product = bound * divisor;
    const float low = std::isinf(product) ? product : product - std::fabs(product) * 1e-6f - 1e-37f;
    for (size_t block = 0; block < maxima_.size(); ++block) {
      if (!(maxima_[block] >= low)) continue;
      const size_t end = std::min((block + 1) * kBlock, logits_.size());
      for (size_t token = block * kBlock; token < end; ++token) {
        const float logit = logits_[token];
        if (logit >= low && logit / divisor >= bound && !std::isinf(logit))
          found(logit / divisor, static_cast<int32_t>(token));
      }
    }
  }

 private:
  std::span<const float> logits_;
  std::vector<float> maxima_;
  std::vector<float> sorted_;
  int32_t likeliest_ = 0;
};

}  // namespace octet
