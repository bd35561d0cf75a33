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
