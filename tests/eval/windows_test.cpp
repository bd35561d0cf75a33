#include "eval/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Windows, TheSecondHalfOfEachWindowIsScoredAndTheRemainderDropped) {
  const WindowPlan plan = PlanWindows(1500, {.context = 512}).value();
  EXPECT_EQ(plan.count, 2u);
  EXPECT_EQ(plan.score_from, 257u);
  EXPECT_EQ(plan.scored_per_window(), 255u);
  EXPECT_EQ(plan.scored(), 510u);
}

TEST(Windows, ScoreFromOneScoresAllButTheFirstToken) {
  const WindowPlan plan = PlanWindows(512, {.context = 512, .score_from = 1}).value();
  EXPECT_EQ(plan.scored(), 511u);
}

TEST(Windows, ChunksLimitTheWindowsAndNeverAddAny) {
  EXPECT_EQ(PlanWindows(100, {.context = 10, .chunks = 4})->count, 4u);
  EXPECT_EQ(PlanWindows(100, {.context = 10, .chunks = 40})->count, 10u);
}

TEST(Windows, BosTakesThePlaceOfTheFirstTokenOfEveryWindow) {
  std::vector<int32_t> ids(8);
  std::iota(ids.begin(), ids.end(), 10);
  const WindowPlan plan = PlanWindows(ids.size(), {.context = 4}).value();
  EXPECT_THAT(WindowTokens(ids, plan, 0, 1), ElementsAre(1, 11, 12, 13));
  EXPECT_THAT(WindowTokens(ids, plan, 1, 1), ElementsAre(1, 15, 16, 17));
  EXPECT_THAT(WindowTokens(ids, plan, 1, std::nullopt), ElementsAre(14, 15, 16, 17));
}

TEST(Windows, ATextShorterThanOneWindowIsRefusedWithBothNumbers) {
  const Result<WindowPlan> plan = PlanWindows(100, {.context = 512});
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message, HasSubstr("the text has 100 tokens, one window needs 512"));
}

TEST(Windows, ScoringFromBeyondTheWindowIsRefused) {
  EXPECT_THAT(PlanWindows(1000, {.context = 8, .score_from = 8}).error().message, HasSubstr("take 1..7"));
  EXPECT_FALSE(PlanWindows(1000, {.context = 1}).has_value());
  EXPECT_EQ(PlanWindows(1000, {.context = 2})->scored_per_window(), 1u);
}

}  // namespace
}  // namespace octet
