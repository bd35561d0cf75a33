#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace octet {
namespace {

// The published answers for ten rounds (file kat_vectors of the authors' Random123).
TEST(Random, PhiloxGivesThePublishedAnswers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, EveryArgumentChangesTheNumber) {
  const CounterRandom random{.seed = 7};
  const std::set<uint32_t> numbers = {random.Bits(1, 2, 3),
                                      random.Bits(2, 2, 3),
                                      random.Bits(1, 3, 3),
                                      random.Bits(1, 2, 4),
                                      random.Bits(1, 2, uint64_t{1} << 34),
                                      CounterRandom{.seed = 8}.Bits(1, 2, 3),
                                      CounterRandom{.seed = uint64_t{7} << 32}.Bits(1, 2, 3)};
  EXPECT_EQ(numbers.size(), 7u);
  EXPECT_EQ(random.Bits(1, 2, 3), CounterRandom{.seed = 7}.Bits(1, 2, 3));
}

// The mean of n uniform numbers has a deviation of 1 / sqrt(12 n); six of them are allowed.
TEST(Random, UniformNumbersStayBelowOneAndCentreOnAHalf) {
  const CounterRandom random{.seed = 1};
  constexpr int kCount = 1 << 16;
  double sum = 0;
  for (int lane = 0; lane < kCount; ++lane) {
    const float number = random.Uniform(0, 0, static_cast<uint64_t>(lane));
    ASSERT_GE(number, 0.0f);
    ASSERT_LT(number, 1.0f);
    sum += static_cast<double>(number);
  }
  EXPECT_NEAR(sum / kCount, 0.5, 6 * 0.2886752 / 256);
}

}  // namespace
}  // namespace octet
