#include "models/relative_bias.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernel_table.h"
#include "models/decoder_parts.h"

namespace octet {

size_t RelativeBucket(ptrdiff_t distance) {
  constexpr size_t kOfSide = kRelativeBuckets / 2, kSingle = kOfSide / 2;
  constexpr float kFarthest = 128;
  const size_t side = distance > 0 ? kOfSide : 0;
  const auto places = static_cast<size_t>(std::abs(distance));
  if (places < kSingle) return side + places;
  const float width = std::log(kFarthest / kSingle) / (kOfSide - kSingle);
  const float beyond = std::log(static_cast<float>(places) / kSingle) / width;
  return side + std::min(kSingle + static_cast<size_t>(beyond), kOfSide - 1);
}

Result<RelativeBias> RelativeBias::Load(const ModelSpec& spec, WeightProvider& weights) {
  const size_t heads = spec.layers.front().attn.heads;
  const PackedMatrix table = OCTET_TRY(LoadMatrix(weights, "relative_bias", kRelativeBuckets, heads));
  std::vector<float> buckets(kRelativeBuckets * heads);
  const auto unpack = kernels::ActiveKernels().unpack_column[static_cast<size_t>(table.format)];
  for (size_t bucket = 0; bucket < kRelativeBuckets; ++bucket)
    unpack(table.panels.data(), nullptr, heads, bucket, &buckets[bucket * heads]);

  RelativeBias bias;
  bias.zero_ = spec.max_positions - 1;
  bias.head_stride_ = 2 * spec.max_positions - 1 + kernels::kPagePositions;
  bias.values_.resize(heads * bias.head_stride_);
  for (size_t i = 0; i < bias.head_stride_; ++i) {
    const size_t bucket = RelativeBucket(static_cast<ptrdiff_t>(i) - static_cast<ptrdiff_t>(bias.zero_));
    for (size_t head = 0; head < heads; ++head)
      bias.values_[head * bias.head_stride_ + i] = buckets[bucket * heads + head];
  }
  return bias;
}

}  // namespace octet
