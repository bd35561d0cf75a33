#include "nn/rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace octet::nn {
namespace {

struct Angles {
  std::vector<float> cosines, sines;
};

Angles At(const RopeSpec& spec, size_t position, size_t length) {
  const Result<RopeTable> table = RopeTable::Make(spec);
  EXPECT_TRUE(table.has_value());
  Angles angles{std::vector<float>(table->half()), std::vector<float>(table->half())};
  table->Fill(position, length, angles.cosines.data(), angles.sines.data());
  return angles;
}

TEST(Rope, DefaultAnglesArePositionOverThetaToThePair) {
  const Angles angles = At({.dim = 4, .theta = 10000}, 3, 10);
  EXPECT_NEAR(angles.cosines[0], std::cos(3.0), 1e-6);
  EXPECT_NEAR(angles.sines[1], std::sin(3.0 / 100), 1e-6);
}

TEST(Rope, LinearStretchesPositions) {
  const RopeSpec plain{.dim = 8};
  const RopeSpec stretched{.kind = RopeKind::kLinear, .dim = 8, .factor = 4};
  EXPECT_EQ(At(stretched, 40, 100).cosines, At(plain, 10, 100).cosines);
}

TEST(Rope, DynamicStretchesOnlySequencesBeyondItsLength) {
  const RopeSpec plain{.dim = 8};
  const RopeSpec dynamic{.kind = RopeKind::kDynamic, .dim = 8, .factor = 2, .max_positions = 32};
  EXPECT_EQ(At(dynamic, 20, 32).cosines, At(plain, 20, 32).cosines);
  EXPECT_NE(At(dynamic, 20, 33).cosines, At(plain, 20, 33).cosines);
  EXPECT_EQ(At(dynamic, 32, 0).cosines, At(dynamic, 32, 33).cosines);  // a token counts itself
}

// theta (factor length / max - (factor - 1))^(dim / (dim - 2)): 10000 (2 * 2 - 1)^2, whose second pair is divided by
// 300.
TEST(Rope, DynamicBaseGrowsWithTheLengthToThePowerOfItsWidth) {
  const RopeSpec dynamic{.kind = RopeKind::kDynamic, .dim = 4, .factor = 2, .max_positions = 32};
  EXPECT_NEAR(At(dynamic, 20, 64).sines[1], std::sin(20.0 / 300), 1e-6);
}

TEST(Rope, OnlyLengthsOnBothSidesOfTheOriginalSwitchLongropesFactors) {
  const RopeSpec longrope{.kind = RopeKind::kLongrope, .dim = 2, .original_max = 8};
  EXPECT_FALSE(SwitchesBetween(longrope, 7, 8));
  EXPECT_FALSE(SwitchesBetween(longrope, 8, 7));
  EXPECT_TRUE(SwitchesBetween(longrope, 8, 9));
  EXPECT_TRUE(SwitchesBetween(longrope, 9, 8));
  EXPECT_FALSE(SwitchesBetween(longrope, 9, 10));
}

TEST(Rope, LongropeSwitchesItsFactorsBeyondTheOriginalLength) {
  const RopeSpec longrope{.kind = RopeKind::kLongrope,
                          .dim = 4,
                          .original_max = 8,
                          .attention_factor = 1.5,
                          .short_factors = {1, 1},
                          .long_factors = {2, 4}};
  EXPECT_NEAR(At(longrope, 4, 8).cosines[0], 1.5 * std::cos(4.0), 1e-6);
  EXPECT_NEAR(At(longrope, 4, 9).cosines[0], 1.5 * std::cos(2.0), 1e-6);
  EXPECT_NEAR(At(longrope, 4, 9).sines[1], 1.5 * std::sin(0.01), 1e-6);
}

TEST(Rope, Llama3KeepsShortWavesAndSlowsLongOnes) {
  const RopeSpec llama3{.kind = RopeKind::kLlama3, .dim = 64, .theta = 500000, .factor = 8, .original_max = 8192};
  const RopeSpec plain{.dim = 64, .theta = 500000};
  const Angles scaled = At(llama3, 100, 100), base = At(plain, 100, 100);
  EXPECT_EQ(scaled.cosines[0], base.cosines[0]);
  EXPECT_NEAR(scaled.sines[31] * 8, base.sines[31], 1e-6);
}

TEST(Rope, YarnKeepsTheFirstPairsAndInterpolatesTheLast) {
  const RopeSpec yarn{.kind = RopeKind::kYarn, .dim = 64, .factor = 4, .original_max = 4096, .attention_factor = 1.25};
  const Angles scaled = At(yarn, 100, 100), base = At({.dim = 64}, 100, 100);
  EXPECT_NEAR(scaled.cosines[0], 1.25F * base.cosines[0], 1e-6);
  EXPECT_NEAR(scaled.sines[31] / 1.25F * 4, base.sines[31], 1e-5);
}

// Pairs of 8 numbers with theta 10^4 have the frequencies 10^-pair, and one of pair p turns 10^(6 - p) times within
// 2 pi 10^6 positions, so that the ramp of Peng et al. 2023, section 3.2, goes from `low` to `high` by these numbers.
RopeSpec YarnRamp(double low, double high, bool truncate) {
  return {.kind = RopeKind::kYarn,
          .dim = 8,
          .theta = 1e4,
          .factor = 4,
          .original_max = 6283185,
          .beta_fast = std::pow(10, 6 - low),
          .beta_slow = std::pow(10, 6 - high),
          .truncate = truncate};
}

// Each pair is slowed to a quarter by the part of the ramp that it has behind it.
void ExpectSlowed(const RopeSpec& yarn, const std::vector<double>& parts) {
  const Angles angles = At(yarn, 1, 1);
  for (size_t pair = 0; pair < parts.size(); ++pair) {
    const double frequency = std::pow(10, -static_cast<double>(pair)) * (1 - 0.75 * parts[pair]);
    EXPECT_NEAR(angles.sines[pair], std::sin(frequency), 1e-6 * frequency) << "pair " << pair;
  }
}

TEST(Rope, YarnRampIsRoundedOutwardWhereItIsTruncated) {
  ExpectSlowed(YarnRamp(0.5, 2.5, /*truncate=*/false), {0, 0.25, 0.75, 1});
  ExpectSlowed(YarnRamp(0.5, 2.5, /*truncate=*/true), {0, 1.0 / 3, 2.0 / 3, 1});
}

TEST(Rope, YarnRampEndsWithinTheWidthAndMayHaveNoLength) {
  ExpectSlowed(YarnRamp(-1.5, 2.5, /*truncate=*/true), {0, 1.0 / 3, 2.0 / 3, 1});
  ExpectSlowed(YarnRamp(1.5, 9.5, /*truncate=*/true), {0, 0, 1.0 / 6, 2.0 / 6});
  ExpectSlowed(YarnRamp(-1.5, -0.5, /*truncate=*/true), {0, 1, 1, 1});
}

TEST(Rope, NumbersAtTheEdgeOfSenseAreTakenAndThoseBehindItRefused) {
  const auto is_taken = [](const RopeSpec& spec) { return RopeTable::Make(spec).has_value(); };
  EXPECT_TRUE(is_taken({.kind = RopeKind::kDynamic, .dim = 4, .factor = 1, .max_positions = 1}));
  EXPECT_FALSE(is_taken({.kind = RopeKind::kDynamic, .dim = 2, .factor = 1, .max_positions = 1}));
  EXPECT_FALSE(is_taken({.kind = RopeKind::kDynamic, .dim = 4, .factor = 0.99, .max_positions = 1}));
  EXPECT_FALSE(is_taken({.kind = RopeKind::kDynamic, .dim = 4, .factor = 1, .max_positions = 0}));
  EXPECT_FALSE(is_taken({.kind = RopeKind::kLlama3,
                         .dim = 8,
                         .factor = 8,
                         .original_max = 8192,
                         .low_frequency = 2,
                         .high_frequency = 2}));
  EXPECT_FALSE(is_taken({.kind = RopeKind::kYarn, .dim = 8, .theta = 1, .factor = 4, .original_max = 4096}));
}

TEST(Rope, SenselessNumbersAreRefused) {
  EXPECT_FALSE(RopeTable::Make({.dim = 7}).has_value());
  EXPECT_FALSE(RopeTable::Make({.dim = 0}).has_value());
  EXPECT_FALSE(RopeTable::Make({.dim = 8, .theta = -1}).has_value());
  EXPECT_FALSE(RopeTable::Make({.kind = RopeKind::kLinear, .dim = 8, .factor = NAN}).has_value());
  EXPECT_FALSE(RopeTable::Make({.kind = RopeKind::kYarn, .dim = 8, .original_max = 0}).has_value());
  const Result<RopeTable> table = RopeTable::Make(
      {.kind = RopeKind::kLongrope, .dim = 8, .original_max = 8, .short_factors = {1}, .long_factors = {1}});
  EXPECT_THAT(table.error().message, testing::HasSubstr("1 factors in a list, expected 4"));
}

}  // namespace
}  // namespace octet::nn
