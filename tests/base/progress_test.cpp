#include "base/progress.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace octet {
namespace {

TEST(Progress, IsSilentForTwoSecondsThenDrawsAndCleansUp) {
  double now = 100;
  std::string screen;
  {
    Progress progress([&](std::string_view text) { screen += text; }, [&] { return now; });
    progress.Begin("import", 400, "B");
    now = 101.9;
    progress.Advance(100);
    EXPECT_EQ(screen, "");
    now = 102;
    progress.Advance(100);
    EXPECT_NE(screen.find("import  50% [##########          ]"), std::string::npos) << screen;
    EXPECT_NE(screen.find("2 s left"), std::string::npos) << screen;
  }
  EXPECT_TRUE(screen.ends_with("\r\033[K")) << screen;
}

TEST(Progress, RedrawsAtMostTenTimesASecond) {
  double now = 0;
  int drawn = 0;
  Progress progress([&](std::string_view) { ++drawn; }, [&] { return now; });
  progress.Begin("work", 0, "steps");
  now = 5;
  for (int step = 0; step < 1000; ++step) progress.Advance(1);
  EXPECT_EQ(drawn, 1);
  now = 5.2;
  progress.Advance(1);
  EXPECT_EQ(drawn, 2);
}

TEST(Progress, CountsFromManyThreads) {
  double now = 0;
  std::string last;
  Progress progress([&](std::string_view text) { last = text; }, [&] { return now; });
  progress.Begin("work", 4001, "steps");
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 4; ++worker)
    threads.emplace_back([&] {
      for (int step = 0; step < 1000; ++step) progress.Advance(1);
    });
  for (std::thread& thread : threads) thread.join();
  now = 10;
  progress.Advance(1);
  EXPECT_NE(last.find("4001 steps of 4001 steps"), std::string::npos) << last;
}

TEST(Progress, LinesNameAmountsRateAndTimeLeft) {
  EXPECT_EQ(ProgressLine({"import", "B", 113'000'000, 226'000'000, 2}),
            "import  50% [##########          ]  113.0 MB of 226.0 MB  56.5 MB/s  2 s left");
  EXPECT_EQ(ProgressLine({"eval", "chunks", 3, 0, 2}), "eval  3 chunks  2 chunks/s");
  EXPECT_EQ(ProgressLine({"eval", "chunks", 10, 5, 1}),
            "eval  100% [####################]  5 chunks of 5 chunks  10 chunks/s  0 s left");
}

}  // namespace
}  // namespace octet
