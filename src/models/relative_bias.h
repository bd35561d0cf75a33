// What the distance of two tokens adds to the score of their attention: a number for each head and bucket of distances,
// as MPNet has it from T5.
//
//   RelativeBias bias = OCTET_TRY(RelativeBias::Load(spec, weights));
//   score += bias.values()[head * bias.head_stride() + key - query];
#pragma once

#include <cstddef>
#include <vector>

#include "base/error.h"
#include "models/model_spec.h"
#include "models/weights.h"

namespace octet {

inline constexpr size_t kRelativeBuckets = 32;

// Which of the 32 buckets a key `distance` places behind its query is in: 0 .. 15 before it and 16 .. 31 behind; of
// either side 8 for single distances, then 8 that widen by logarithm up to 127, the last one for all beyond.
// Source: transformers' MPNetEncoder.relative_position_bucket, in FP32 as there.
size_t RelativeBucket(ptrdiff_t distance);

class RelativeBias {
 public:
  RelativeBias() = default;  // none

  // Spreads the slot "relative_bias" [32, heads] over all distances that the model's positions allow. Requires that
  // the table of positions was found in the file, which bounds the memory. Fails as the provider does.
  static Result<RelativeBias> Load(const ModelSpec& spec, WeightProvider& weights);

  // Of distance 0 of head 0, or null; from 1 - max_positions to max_positions - 1 and a page further.
  const float* values() const { return values_.empty() ? nullptr : values_.data() + zero_; }
  size_t head_stride() const { return head_stride_; }

 private:
  std::vector<float> values_;  // [heads, head_stride]
  size_t head_stride_ = 0;
  size_t zero_ = 0;  // where distance 0 stands
};

}  // namespace octet
