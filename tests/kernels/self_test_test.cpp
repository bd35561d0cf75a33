#include "kernels/self_test.h"

#include <gtest/gtest.h>

namespace octet::kernels {
namespace {

void HalfNorm(const float* x, const float* weight, float offset, float eps, size_t count, float* out) {
  AvailableTiers().front()->rms_norm(x, weight, offset, eps, count, out);
  out[count - 1] = 0;
}

TEST(SelfTest, EveryTierOfThisMachinePasses) {
  for (const KernelTable* tier : AvailableTiers()) {
    for (const SelfTestResult& result : SelfTest(*tier)) {
      EXPECT_TRUE(result.passed()) << tier->name << " " << result.kernel << ": " << result.error << " above "
                                   << result.bound;
    }
  }
}

TEST(SelfTest, OneWrongKernelIsFoundAndNoOther) {
  KernelTable broken = *AvailableTiers().back();
  broken.rms_norm = HalfNorm;
  for (const SelfTestResult& result : SelfTest(broken))
    EXPECT_EQ(result.passed(), result.kernel != "RMS norm") << result.kernel;
}

}  // namespace
}  // namespace octet::kernels
