#include "nn/second_moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "numeric/bf16.h"

namespace octet::nn {
namespace {

using kernels::WeightFormat;

constexpr size_t kInputRows = 53, kInputWidth = 301, kInputStride = 310;

std::vector<float> MomentInputs() {
  std::vector<float> inputs(kInputRows * kInputStride);
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = std::sin(static_cast<float>(i) * 0.37F) + 0.1F;
  return inputs;
}

std::vector<float> MomentsOf(size_t threads, WeightFormat format, const kernels::KernelTable& table) {
  ThreadPool pool(threads);
  ExecutionContext context(pool, table);
  const std::vector<float> inputs = MomentInputs();
  std::vector<float> sums(kInputWidth * kInputWidth);
  // Two calls: the second adds to what the first left.
  const Rows first{inputs.data(), kInputStride, 20, kInputWidth},
      rest{inputs.data() + 20 * kInputStride, kInputStride, kInputRows - 20, kInputWidth};
  EXPECT_TRUE(AddSecondMoments(context, first, format, sums).has_value());
  EXPECT_TRUE(AddSecondMoments(context, rest, format, sums).has_value());
  MirrorSecondMoments(pool, kInputWidth, sums);
  return sums;
}

TEST(SecondMoments, AreSumsOverTheRowsOnEveryTier) {
  const std::vector<float> inputs = MomentInputs();
  for (const kernels::KernelTable* table : kernels::AvailableTiers()) {
    for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16}) {
      const std::vector<float> got = MomentsOf(2, format, *table);
      for (size_t i = 0; i < kInputWidth; ++i) {
        for (size_t j = 0; j < kInputWidth; j += 7) {
          double want = 0, size = 0;
          for (size_t row = 0; row < kInputRows; ++row) {
            float a = inputs[row * kInputStride + i], b = inputs[row * kInputStride + j];
            if (format == WeightFormat::kBf16) a = ToFloat(ToBf16(a)), b = ToFloat(ToBf16(b));
            want += static_cast<double>(a) * b;
            size += std::fabs(static_cast<double>(a) * b);
          }
          ASSERT_NEAR(got[i * kInputWidth + j], want, kInputRows * 6e-8 * size) << table->name << " " << i << ", " << j;
        }
      }
    }
  }
}

TEST(SecondMoments, AreTheSameBitsForAnyNumberOfThreadsAndSymmetric) {
  for (const kernels::KernelTable* table : kernels::AvailableTiers()) {
    const std::vector<float> one = MomentsOf(1, WeightFormat::kBf16, *table);
    EXPECT_EQ(MomentsOf(3, WeightFormat::kBf16, *table), one) << table->name;
    for (size_t i = 0; i < kInputWidth; ++i) {
      for (size_t j = 0; j < i; ++j) ASSERT_EQ(one[i * kInputWidth + j], one[j * kInputWidth + i]);
    }
  }
}

}  // namespace
}  // namespace octet::nn
