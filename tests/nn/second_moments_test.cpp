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

std::vector<float> CrossMomentsOf(size_t threads, WeightFormat format, const kernels::KernelTable& table,
                                  const std::vector<float>& a, const std::vector<float>& b) {
  ThreadPool pool(threads);
  ExecutionContext context(pool, table);
  std::vector<float> sums(kInputWidth * kInputWidth);
  const auto rows = [](const std::vector<float>& x, size_t first, size_t count) {
    return Rows{x.data() + first * kInputStride, kInputStride, count, kInputWidth};
  };
  EXPECT_TRUE(AddCrossMoments(context, rows(a, 0, 20), rows(b, 0, 20), format, sums).has_value());
  const size_t rest = kInputRows - 20;
  EXPECT_TRUE(AddCrossMoments(context, rows(a, 20, rest), rows(b, 20, rest), format, sums).has_value());
  return sums;
}

TEST(CrossMoments, AreSumsOverTheRowsOnEveryTierAndForAnyNumberOfThreads) {
  const std::vector<float> a = MomentInputs();
  std::vector<float> b(a.size());
  for (size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<float>(i) * 0.11F);
  for (const kernels::KernelTable* table : kernels::AvailableTiers()) {
    for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16}) {
      const std::vector<float> got = CrossMomentsOf(2, format, *table, a, b);
      EXPECT_EQ(CrossMomentsOf(1, format, *table, a, b), got);
      for (size_t i = 0; i < kInputWidth; ++i) {
        for (size_t j = 0; j < kInputWidth; j += 7) {
          double want = 0, size = 0;
          for (size_t row = 0; row < kInputRows; ++row) {
            float of_a = a[row * kInputStride + i], of_b = b[row * kInputStride + j];
            if (format == WeightFormat::kBf16) of_a = ToFloat(ToBf16(of_a)), of_b = ToFloat(ToBf16(of_b));
            want += static_cast<double>(of_a) * of_b;
            size += std::fabs(static_cast<double>(of_a) * of_b);
          }
          ASSERT_NEAR(got[i * kInputWidth + j], want, kInputRows * 6e-8 * size) << table->name << " " << i << ", " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace octet::nn
