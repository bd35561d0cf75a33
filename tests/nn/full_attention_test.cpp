#include "nn/full_attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace octet::nn {
namespace {

constexpr size_t kHeads = 3, kKeyDim = 20, kValueDim = 12, kRowFloats = kHeads * (2 * kKeyDim + kValueDim);
constexpr float kScale = 0.3F;

std::vector<float> Numbers(size_t count, uint64_t seed) {
  std::vector<float> numbers(count);
  const CounterRandom random{.seed = seed};
  for (size_t i = 0; i < count; ++i) numbers[i] = random.Uniform(0, 0, i) * 2 - 1;
  return numbers;
}

// softmax(scale * Q K^T) V of one sequence, in double.
std::vector<double> Attended(const float* qkv, size_t tokens) {
  std::vector<double> out(tokens * kHeads * kValueDim);
  for (size_t head = 0; head < kHeads; ++head) {
    for (size_t row = 0; row < tokens; ++row) {
      std::vector<double> weights(tokens);
      double total = 0;
      for (size_t column = 0; column < tokens; ++column) {
        const float *q = qkv + row * kRowFloats + head * kKeyDim,
                    *k = qkv + column * kRowFloats + (kHeads + head) * kKeyDim;
        double score = 0;
        for (size_t i = 0; i < kKeyDim; ++i) score += double{q[i]} * k[i];
        total += weights[column] = std::exp(double{kScale} * score);
      }
      for (size_t column = 0; column < tokens; ++column) {
        const float* v = qkv + column * kRowFloats + 2 * kHeads * kKeyDim + head * kValueDim;
        for (size_t i = 0; i < kValueDim; ++i)
          out[(row * kHeads + head) * kValueDim + i] += weights[column] / total * v[i];
      }
    }
  }
  return out;
}

class FullAttentionOfTier : public testing::TestWithParam<size_t> {
 protected:
  const kernels::KernelTable& Tier() const { return *kernels::AvailableTiers()[GetParam()]; }

  std::vector<float> Run(std::span<const size_t> lengths, const std::vector<float>& qkv, kernels::CacheFormat format,
                         size_t threads) {
    ThreadPool pool(threads);
    ExecutionContext context(pool, Tier());
    const KvLayout::Layer layer{.kv_heads = kHeads, .key_dim = kKeyDim, .value_dim = kValueDim, .format = format};
    const KvLayout layout = *KvLayout::Make({&layer, 1});
    // What an earlier step left in the memory must not show.
    const Result<float*> dirt = context.workspace.Floats(200000);
    std::fill_n(*dirt, 200000, std::nanf(""));
    EXPECT_TRUE(context.workspace.Reset().has_value());
    const Result<FullAttention> attention =
        FullAttention::Plan(context, {.heads = kHeads, .scale = kScale, .layout = &layout}, lengths);
    std::vector<float> out(qkv.size() / kRowFloats * kHeads * kValueDim);
    attention->Run(context, qkv.data(), out.data());
    return out;
  }
};

INSTANTIATE_TEST_SUITE_P(Tiers, FullAttentionOfTier, testing::Range(size_t{0}, kernels::AvailableTiers().size()),
                         [](const auto& test) { return kernels::AvailableTiers()[test.param]->name; });

TEST_P(FullAttentionOfTier, EveryTokenSeesAllOfItsSequence) {
  const size_t lengths[] = {1, 31, 32, 33, 130, 515};
  for (const auto& [format, bound] :
       {std::pair{kernels::CacheFormat::kF32, 1e-5}, {kernels::CacheFormat::kBf16, 0.02}}) {
    for (const size_t length : lengths) {
      const std::vector<float> qkv = Numbers(length * kRowFloats, length);
      const std::vector<float> got = Run({&length, 1}, qkv, format, 1);
      const std::vector<double> want = Attended(qkv.data(), length);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << length << " tokens, " << i;
    }
  }
}

TEST_P(FullAttentionOfTier, ASequenceAmongOthersOnManyThreadsHasItsOwnBits) {
  const std::vector<size_t> lengths = {40, 1, 100, 0, 7};
  const std::vector<float> qkv = Numbers(148 * kRowFloats, 9);
  for (const auto format : {kernels::CacheFormat::kF32, kernels::CacheFormat::kBf16}) {
    const std::vector<float> together = Run(lengths, qkv, format, 3);
    size_t row = 0;
    for (const size_t length : lengths) {
      const std::vector<float> own(qkv.begin() + static_cast<std::ptrdiff_t>(row * kRowFloats),
                                   qkv.begin() + static_cast<std::ptrdiff_t>((row + length) * kRowFloats));
      const std::vector<float> alone = Run({&length, 1}, own, format, 1);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                             together.begin() + static_cast<std::ptrdiff_t>(row * kHeads * kValueDim)));
      row += length;
    }
  }
}

}  // namespace
}  // namespace octet::nn
