#include "quantize/bit_budget.h"

#include <gmock/gmock.h>

#include <limits>

namespace octet {
namespace {

using testing::ElementsAre;

// Four parts of four options, bits and losses at random, some of them worse than others in both.
std::vector<BudgetPart> RandomParts(uint32_t seed) {
  uint32_t state = seed * 2654435761U + 1;
  const auto next = [&] { return static_cast<double>((state = state * 1664525U + 1013904223U) >> 16 & 1023); };
  std::vector<BudgetPart> parts(4);
  for (BudgetPart& part : parts) {
    for (int i = 0; i < 4; ++i) part.options.push_back({.bits = 1 + next(), .loss = next()});
  }
  return parts;
}

// By trying all choices.
double LeastLoss(const std::vector<BudgetPart>& parts, double bits) {
  double least = std::numeric_limits<double>::infinity();
  for (size_t code = 0; code < 256; ++code) {
    const BudgetPoint point = PointOf(parts, {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6});
    if (point.bits <= bits) least = std::min(least, point.loss);
  }
  return least;
}

TEST(BitBudget, NoChoiceLosesLessThanAPointOfTheCurveForAsManyBits) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::vector<BudgetPart> parts = RandomParts(seed);
    const std::vector<BudgetPoint> curve = TradeOff(parts);
    for (size_t i = 0; i < curve.size(); ++i) {
      EXPECT_EQ(curve[i].loss, LeastLoss(parts, curve[i].bits)) << "seed " << seed << ", point " << i;
      if (i == 0) continue;
      EXPECT_GT(curve[i].bits, curve[i - 1].bits);
      EXPECT_LT(curve[i].loss, curve[i - 1].loss);
    }
  }
}

TEST(BitBudget, AChoiceIsWithinTheBudgetAndAtLeastAsGoodAsTheCurveThere) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::vector<BudgetPart> parts = RandomParts(seed);
    const std::vector<BudgetPoint> curve = TradeOff(parts);
    for (double bits = curve.front().bits; bits < curve.back().bits + 100; bits += 97) {
      const BudgetPoint chosen = PointOf(parts, ChooseWithinBits(parts, bits));
      EXPECT_LE(chosen.bits, bits);
      for (const BudgetPoint& point : curve) {
        if (point.bits <= bits) {
          EXPECT_LE(chosen.loss, point.loss) << "seed " << seed << ", " << bits << " bits";
        }
      }
    }
    EXPECT_TRUE(ChooseWithinBits(parts, curve.front().bits - 1).empty());
  }
}

TEST(BitBudget, WhatIsLeftBehindAStepThatDoesNotFitGoesToOthers) {
  const std::vector<BudgetPart> parts = {{{{4, 100}, {12, 0}}}, {{{4, 10}, {8, 5}}}};
  EXPECT_THAT(ChooseWithinBits(parts, 12), ElementsAre(0, 1));
  EXPECT_THAT(ChooseWithinBits(parts, 16), ElementsAre(1, 0));
  EXPECT_THAT(ChooseWithinBits(parts, 20), ElementsAre(1, 1));
}

TEST(BitBudget, AnOptionThatCostsMoreAndLosesMoreIsNeverTaken) {
  const std::vector<BudgetPart> parts = {{{{8, 1}, {4, 3}, {6, 4}, {8, 2}}}};
  const std::vector<BudgetPoint> curve = TradeOff(parts);
  ASSERT_EQ(curve.size(), 2U);
  EXPECT_THAT(curve[0].choice, ElementsAre(1));
  EXPECT_THAT(curve[1].choice, ElementsAre(0));
}

TEST(BitBudget, OneOptionEachIsOnePoint) {
  const std::vector<BudgetPart> parts = {{{{4, 3}}}, {{{5, 1}}}};
  const std::vector<BudgetPoint> curve = TradeOff(parts);
  ASSERT_EQ(curve.size(), 1U);
  EXPECT_EQ(curve[0].bits, 9);
  EXPECT_EQ(curve[0].loss, 4);
}

}  // namespace
}  // namespace octet
