#include <gmock/gmock.h>

#include "kernels/cpu.h"
#include "tests/kernels/testing.h"

namespace octet::kernels {
namespace {

using testing::HasSubstr;

TEST(SelectKernels, EmptyWishGivesTheLastTierWhoseInstructionsPay) {
  const KernelTable* best = *SelectKernels("");
  if (std::string(AvailableTiers().back()->name) == "avx512_bf16" && !ThisCpu().bf16_dot_pays) {
    EXPECT_EQ(std::string(best->name), "avx512");
  } else {
    EXPECT_EQ(best, AvailableTiers().back());
  }
}

TEST(SelectKernels, EveryAvailableTierIsFoundByItsName) {
  for (const KernelTable* tier : AvailableTiers()) EXPECT_EQ(*SelectKernels(tier->name), tier);
  EXPECT_EQ(std::string(AvailableTiers().front()->name), "reference");
}

TEST(SelectKernels, UnknownTierIsRefusedWithTheListOfThoseThatRun) {
  const auto selected = SelectKernels("sse9");
  ASSERT_FALSE(selected.has_value());
  EXPECT_EQ(selected.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(selected.error().message, HasSubstr("there is no CPU tier `sse9`; this CPU runs: reference"));
}

TEST(SelectKernels, TierBeyondThisCpuIsRefusedWithTheMissingFeature) {
  size_t refused = 0;
  for (const TierSupport& tier : SupportedTiers()) {
    if (tier.missing.empty()) continue;
    const auto selected = SelectKernels(tier.name);
    ASSERT_FALSE(selected.has_value());
    EXPECT_THAT(selected.error().message, HasSubstr(tier.missing));
    ++refused;
  }
  EXPECT_EQ(refused + AvailableTiers().size(), SupportedTiers().size());
}

TEST(SelectKernels, EveryTierHasEveryEntry) {
  for (const KernelTable* tier : AvailableTiers()) {
    // The name is a pointer too, and the table holds nothing else.
    const auto* pointers = reinterpret_cast<void* const*>(tier);
    for (size_t i = 0; i < sizeof(KernelTable) / sizeof(void*); ++i)
      EXPECT_NE(pointers[i], nullptr) << tier->name << " " << i;
  }
}

}  // namespace
}  // namespace octet::kernels
