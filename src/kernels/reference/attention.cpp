#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels::reference {
namespace {

template <ActivationFormat format>
using Element = std::conditional_t<format == ActivationFormat::kF32, float, Bf16>;

template <ActivationFormat format>
inline constexpr WeightFormat kCacheFormat =
    format == ActivationFormat::kF32 ? WeightFormat::kF32 : WeightFormat::kBf16;

// The number as the products see it.
template <ActivationFormat format>
float Rounded(float x) {
  if constexpr (format == ActivationFormat::kF32) return x;
  return ToFloat(ToBf16(x));
}

// sum + the products of `count` elements, in the order of the GEMM; a(k) and w(k) give the operands, 0 beyond the end.
template <ActivationFormat format, class A, class W>
float Dot(size_t count, A&& a, W&& w, float sum) {
  if constexpr (format == ActivationFormat::kF32) {
    for (size_t k = 0; k < count; ++k) sum = std::fma(a(k), w(k), sum);
  } else {
    for (size_t k = 0; k < count; k += 2)
      sum = DotPair(a(k), k + 1 < count ? a(k + 1) : 0, w(k), k + 1 < count ? w(k + 1) : 0, sum);
  }
  return sum;
}

// One query row: token and head, walking the cache in blocks.
template <ActivationFormat format>
class Row {
 public:
  Row(const AttendArgs& args, size_t token, size_t head)
      : args_(args),
        query_(args.query + token * args.query_token_stride + head * args.key_dim),
        last_(args.first_position + token),
        first_(args.window == 0 || last_ + 1 < args.window ? 0 : last_ + 1 - args.window) {}

  void Attend(float* out) {
    for (size_t block = first_ / kAttendBlock; block <= last_ / kAttendBlock; ++block) AddBlock(block * kAttendBlock);
    // Denormals count as zero and zeros are positive, so that a block without visible positions changes no bit.
    for (size_t c = 0; c < args_.value_dim; ++c) {
      const bool denormal = std::fabs(sums_[c]) < std::numeric_limits<float>::min();
      out[c] = (denormal ? 0.0f : sums_[c]) / total_ + 0.0f;
    }
  }

 private:
  float Score(size_t position) const {
    const std::byte* keys = args_.pages[position / kPagePositions] + args_.key_offset;
    const float product = Dot<format>(
        args_.key_dim, [&](size_t k) { return Rounded<format>(query_[k]); },
        [&](size_t k) { return WeightAt<kCacheFormat<format>>(keys, args_.key_dim, position % kPagePositions, k); },
        0.0f);
    const float score = product * args_.scale;
    return args_.softcap > 0 ? args_.softcap * std::tanh(score / args_.softcap) : score;
  }

  void AddBlock(size_t begin) {
    const size_t from = std::max(begin, first_), to = std::min(begin + kAttendBlock, last_ + 1);
    float probabilities[kAttendBlock] = {};
    float greatest = greatest_;
    for (size_t p = from; p < to; ++p) greatest = std::max(greatest, probabilities[p - begin] = Score(p));
    const float before = std::exp(greatest_ - greatest);
    greatest_ = greatest;

    float block_total = 0;
    for (size_t p = from; p < to; ++p) {
      float& probability = probabilities[p - begin];
      probability = Rounded<format>(std::exp(probability - greatest));
      block_total += probability;
    }
    total_ = total_ * before + block_total;
    for (size_t c = 0; c < args_.value_dim; ++c) sums_[c] = AddValues(c, from, to, probabilities, sums_[c] * before);
  }

  // sum + the values of column c of the positions from .. to - 1; whole pages are read, masked ones times 0.
  float AddValues(size_t c, size_t from, size_t to, const float* probabilities, float sum) const {
    for (size_t page = from / kPagePositions; page <= (to - 1) / kPagePositions; ++page) {
      const std::byte* values = args_.pages[page] + args_.value_offset;
      const float* of_page = probabilities + page % (kAttendBlock / kPagePositions) * kPagePositions;
      sum = Dot<format>(
          kPagePositions, [&](size_t k) { return of_page[k]; },
          [&](size_t k) { return WeightAt<kCacheFormat<format>>(values, kPagePositions, c, k); }, sum);
    }
    return sum;
  }

  const AttendArgs& args_;
  const float* query_;
  size_t last_, first_;
  float greatest_ = std::numeric_limits<float>::lowest();
  float total_ = 0;
  float sums_[kMaxHeadDim] = {};
};

template <ActivationFormat format>
void Attend(const AttendArgs& args) {
  for (size_t token = 0; token < args.tokens; ++token) {
    for (size_t head = 0; head < args.group; ++head) {
      Row<format>(args, token, head).Attend(args.out + token * args.out_token_stride + head * args.value_dim);
    }
  }
}

template <ActivationFormat format>
void StoreCache(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                std::byte* values) {
  constexpr WeightFormat kFormat = kCacheFormat<format>;
  const auto element = [](float x) {
    if constexpr (format == ActivationFormat::kF32) return x;
    if constexpr (format == ActivationFormat::kBf16) return ToBf16(x);
  };
  for (size_t k = 0; k < key_dim; ++k) StoreAs(keys, PackedOffset(kFormat, key_dim, slot, k), element(key[k]));
  for (size_t c = 0; c < value_dim; ++c)
    StoreAs(values, PackedOffset(kFormat, kPagePositions, c, slot), element(value[c]));
}

}  // namespace

void StoreCacheF32(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot, std::byte* keys,
                   std::byte* values) {
  StoreCache<ActivationFormat::kF32>(key, value, key_dim, value_dim, slot, keys, values);
}
void StoreCacheBf16(const float* key, const float* value, size_t key_dim, size_t value_dim, size_t slot,
                    std::byte* keys, std::byte* values) {
  StoreCache<ActivationFormat::kBf16>(key, value, key_dim, value_dim, slot, keys, values);
}
OCTET_FMA_CLONE void AttendF32(const AttendArgs& args) { Attend<ActivationFormat::kF32>(args); }
OCTET_FMA_CLONE void AttendBf16(const AttendArgs& args) { Attend<ActivationFormat::kBf16>(args); }

}  // namespace octet::kernels::reference
