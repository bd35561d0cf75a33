// What a running engine counts of its requests, held against what each of them was told.
#include "engine/schedule/loop_stats.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

TEST(Histogram, ValuesFallIntoTheFirstBucketThatTheyDontPass) {
  static constexpr double kBounds[] = {1, 2, 5};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.5, 5.0, 9.0}) histogram.Observe(value);
  EXPECT_THAT(histogram.counts(), testing::ElementsAre(2u, 1u, 1u, 1u));
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_EQ(histogram.sum(), 17.0);
}

TEST(LoopStats, RequestsAreCountedByWhatTheyAskedForAndByTheirLongestAnswer) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.sessions = 3});
  SteppedScheduler stepped(*engine);
  constexpr size_t kAsked = 6, kChoices = 3;
  for (size_t i = 0; i < kAsked; ++i) {
    Request request = NumberedRequest(5, 40);
    request.number = static_cast<uint32_t>(i * kChoices);
    request.options.sampling.temperature = 8;
    for (int32_t token = 0; token < 40; ++token) request.options.stop_tokens.push_back(token);  // lengths differ
    if (i == 0) request.options.max_tokens = std::nullopt;
    stepped.Submit({.request = request, .choices = kChoices});
  }
  stepped.scheduler().Cancel(stepped.Submit(NumberedRequest(5, 7)));
  stepped.RunToEnd();

  const LoopStats& stats = stepped.stats();
  EXPECT_EQ(stats.request_max_tokens.count(), kAsked + 1);
  EXPECT_EQ(stats.request_max_tokens.sum(), static_cast<double>(engine->context() - 5) + (kAsked - 1) * 40 + 7);
  double generated = 0, longest = 0, seconds = 0;
  for (uint64_t id = 1; id <= kAsked; ++id) {
    double most = 0;
    for (size_t choice = 0; choice < kChoices; ++choice) {
      const Timings timings = stepped.listener.Of(id, choice).usage.value().timings;
      generated += static_cast<double>(timings.generated_tokens);
      most = std::max(most, static_cast<double>(timings.generated_tokens));
      seconds += timings.prompt_seconds + timings.decode_seconds;
    }
    longest += most;
  }
  EXPECT_EQ(stats.request_most_generated.count(), kAsked) << "a request that never ran has no answer";
  EXPECT_EQ(stats.request_most_generated.sum(), longest);
  EXPECT_EQ(stats.request_generated_tokens.sum(), generated);
  EXPECT_EQ(stats.inference.count(), kAsked * kChoices);
  EXPECT_EQ(stats.inference.sum(), seconds);
}

}  // namespace
}  // namespace octet
