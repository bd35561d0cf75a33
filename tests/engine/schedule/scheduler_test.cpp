// Who takes part in a step, pages, and ends, with a clock that the tests move.
#include "engine/schedule/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/score.h"
#include "tests/engine/count_allocations.h"
#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

using testing::HasSubstr;

TEST(Scheduler, AnswersGoOnWhileALongPromptIsReadInPieces) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine, {.max_running = 4, .step_tokens = 16});
  const uint64_t talker = stepped.Submit(NumberedRequest(3, 60));
  stepped.Step();
  ASSERT_EQ(stepped.listener.Of(talker).tokens.size(), 1u);
  const uint64_t reader = stepped.Submit(NumberedRequest(150, 2, 9));
  // Ten steps of 15 tokens beside the one of the answer.
  for (size_t step = 1; step <= 10; ++step) {
    EXPECT_EQ(stepped.listener.Of(reader).tokens.size(), 0u) << step;
    stepped.Step();
    EXPECT_EQ(stepped.listener.Of(talker).tokens.size(), step + 1);
    EXPECT_EQ(stepped.scheduler().last_step().tokens, 16u);
  }
  EXPECT_EQ(stepped.listener.Of(reader).tokens.size(), 1u);
}

TEST(Scheduler, ChoicesShareThePromptAndCopyThePageThatTheyWrite) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Request request = NumberedRequest(80, 4);
  request.options.sampling.temperature = 8;
  std::vector<Reply> alone;
  for (size_t choice = 0; choice < 3; ++choice) alone.push_back(ReplyAlone(*engine, request, choice));
  EXPECT_NE(alone[0], alone[1]);

  SteppedScheduler stepped(*engine, {.prefix_cache = false});
  const uint64_t id = stepped.Submit({.request = request, .choices = 3});
  stepped.Step();
  EXPECT_EQ(stepped.stats().pages_held, 3u);  // 80 tokens, for all
  EXPECT_EQ(stepped.scheduler().last_step().tokens, 80u);
  stepped.Step();
  EXPECT_EQ(stepped.stats().pages_held, 5u);  // two full pages for all, the third one each
  stepped.RunToEnd();
  for (size_t choice = 0; choice < 3; ++choice)
    EXPECT_EQ(stepped.listener.Of(id, choice).reply(), alone[choice]) << choice;
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
}

TEST(Scheduler, ARequestBeginsOnlyWhenItsLongestAnswerHasRoom) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 2});  // 8 pages
  SteppedScheduler stepped(*engine);
  const uint64_t first = stepped.Submit(NumberedRequest(10, 118, 1));  // 4 pages
  const uint64_t second = stepped.Submit(NumberedRequest(10, 87, 2));  // 3 pages
  const uint64_t third = stepped.Submit(NumberedRequest(10, 54, 3));   // 2 pages: one too many
  const uint64_t fourth = stepped.Submit(NumberedRequest(10, 3, 4));   // 1 page, but nobody is passed over
  stepped.Step();
  EXPECT_EQ(stepped.stats().running, 2u);
  EXPECT_EQ(stepped.stats().waiting, 2u);
  EXPECT_EQ(stepped.stats().waiting_tokens, 20u);
  stepped.RunToEnd();
  for (const uint64_t id : {first, second, third, fourth})
    EXPECT_EQ(stepped.listener.Of(id).finish, FinishReason::kLength) << id;
  EXPECT_EQ(stepped.stats().preemptions, 0u);
  // The third began when the second had ended.
  EXPECT_GE(stepped.listener.Of(third).usage->queue_seconds, 87);
}

TEST(Scheduler, AFullCacheOfPrefixesGivesWayToRequests) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 1});  // 4 pages
  SteppedScheduler stepped(*engine);
  stepped.Submit(NumberedRequest(100, 20, 1));
  stepped.RunToEnd();
  EXPECT_EQ(stepped.stats().pages_kept, 3u);
  EXPECT_EQ(stepped.stats().pages_held, 0u);
  stepped.Submit(NumberedRequest(120, 5, 2));
  stepped.RunToEnd();
  const uint64_t again = stepped.Submit(NumberedRequest(100, 20, 1));
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(again).usage->miss, CacheMiss::kEvicted);
  EXPECT_EQ(stepped.listener.Of(again).reply(), [&] {
    const std::unique_ptr<Engine> other = OpenForSchedule();
    return ReplyAlone(*other, NumberedRequest(100, 20, 1));
  }());
}

TEST(Scheduler, APromptThatBeginsLikeAnotherIsReadFromWhereTheyDiffer) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine);
  Request second = NumberedRequest(90, 10);
  const Reply alone = ReplyAlone(*engine, second);
  stepped.Submit(NumberedRequest(70, 3));
  stepped.RunToEnd();
  const uint64_t id = stepped.Submit(second);
  stepped.Step();
  EXPECT_EQ(stepped.scheduler().last_step().tokens, 90u - 64);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(id).reply(), alone);
  EXPECT_EQ(stepped.listener.Of(id).usage->timings.cached_tokens, 64u);
  EXPECT_EQ(stepped.listener.Of(id).usage->miss, CacheMiss::kNone);
  EXPECT_EQ(stepped.stats().cache_queries, 160u);
  EXPECT_EQ(stepped.stats().cache_hits, 64u);

  const uint64_t salted = stepped.Submit({.request = second, .cache_salt = "another"});
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(salted).usage->timings.cached_tokens, 0u);
  EXPECT_EQ(stepped.listener.Of(salted).usage->miss, CacheMiss::kNew);
  EXPECT_EQ(stepped.listener.Of(salted).reply(), alone);
}

TEST(Scheduler, TheNextTurnOfAChatFindsThisTurnsAnswer) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine);
  Request turn = NumberedRequest(20, 50);
  const uint64_t first = stepped.Submit(turn);
  stepped.RunToEnd();
  for (const GeneratedToken& token : stepped.listener.Of(first).tokens) turn.prompt.push_back(token.token);
  const uint64_t second = stepped.Submit(turn);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(second).usage->timings.cached_tokens, 64u);
  const std::unique_ptr<Engine> other = OpenForSchedule();
  EXPECT_EQ(stepped.listener.Of(second).reply(), ReplyAlone(*other, turn));
}

TEST(Scheduler, WithPreemptionTheLastOneIsPutBackAndItsAnswerStaysTheSame) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 256, .sessions = 1});  // 8 pages
  std::vector<Reply> alone;
  std::vector<Request> requests;
  for (int32_t i = 0; i < 4; ++i) {
    requests.push_back(NumberedRequest(20 + static_cast<size_t>(i), 100, i));
    requests.back().options.sampling.temperature = 8;
    alone.push_back(ReplyAlone(*engine, requests.back()));
  }
  for (const bool prefix_cache : {false, true}) {
    SteppedScheduler stepped(*engine, {.prefix_cache = prefix_cache, .preempt = true});
    std::vector<uint64_t> ids;
    for (const Request& request : requests) ids.push_back(stepped.Submit(request));
    stepped.Step();
    EXPECT_EQ(stepped.stats().running, 4u);
    stepped.RunToEnd();
    EXPECT_GT(stepped.stats().preemptions, 0u);
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ(stepped.listener.Of(ids[i]).reply(), alone[i]) << i << ", prefix cache " << prefix_cache;
    EXPECT_EQ(stepped.listener.Of(ids[0]).usage->preemptions, 0u);
    EXPECT_GT(stepped.listener.Of(ids[3]).usage->preemptions, 0u);
    EXPECT_EQ(stepped.stats().pages_held, 0u);
  }
}

TEST(Scheduler, HighPriorityGoesFirstButNobodyWaitsForEver) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine, {.max_running = 1, .step_tokens = 64, .promote_seconds = 20});
  stepped.Submit(NumberedRequest(5, 3));
  stepped.Step();
  const uint64_t normal = stepped.Submit(NumberedRequest(5, 3));
  // A high one always waits: without promotion the normal one would starve.
  std::vector<uint64_t> high;
  size_t steps = 0;
  for (; stepped.listener.Of(normal).tokens.empty(); ++steps) {
    ASSERT_LT(steps, 60u);
    high.push_back(stepped.Submit({.request = NumberedRequest(5, 3), .priority = Priority::kHigh}));
    stepped.Step();
  }
  EXPECT_GE(steps, 20u);
  EXPECT_EQ(stepped.listener.Of(high[0]).ends, 1u);  // came later, ended before
}

TEST(Scheduler, ADeadlineInTheQueueIsAnErrorAndLaterACancelledAnswer) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine, {.max_running = 1, .step_tokens = 64});
  const auto after = [&](int seconds) { return stepped.now + std::chrono::seconds(seconds); };
  const uint64_t running = stepped.Submit({.request = NumberedRequest(5, 100), .deadline = after(10)});
  const uint64_t waiting = stepped.Submit({.request = NumberedRequest(5, 100), .deadline = after(4)});
  stepped.RunToEnd();
  const Heard late = stepped.listener.Of(waiting);
  ASSERT_TRUE(late.error.has_value());
  EXPECT_EQ(late.error->code, ErrorCode::kExhausted);
  EXPECT_THAT(late.error->message, HasSubstr("the deadline passed after 4 s in the queue"));
  EXPECT_TRUE(late.deadline_passed);
  const Heard cut = stepped.listener.Of(running);
  EXPECT_EQ(cut.finish, FinishReason::kCancelled);
  EXPECT_TRUE(cut.deadline_passed);
  EXPECT_EQ(cut.tokens.size(), 9u);
  EXPECT_EQ(stepped.stats().deadlines_passed, 2u);
}

TEST(Scheduler, ACancelledRequestGivesBackItsPagesAtOnce) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  SteppedScheduler stepped(*engine, {.max_running = 2, .step_tokens = 32, .prefix_cache = false});
  const uint64_t reading = stepped.Submit(NumberedRequest(100, 10));
  const uint64_t waiting = stepped.Submit({.request = NumberedRequest(10, 10), .choices = 2});
  stepped.Step();
  EXPECT_GT(engine->cache().pages_in_use(), 0u);
  stepped.scheduler().Cancel(reading);
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
  EXPECT_EQ(stepped.listener.Of(reading).finish, FinishReason::kCancelled);
  EXPECT_EQ(stepped.listener.Of(reading).usage->timings.prompt_tokens, 32u);
  stepped.scheduler().Cancel(waiting);
  for (const size_t choice : {size_t{0}, size_t{1}})
    EXPECT_EQ(stepped.listener.Of(waiting, choice).finish, FinishReason::kCancelled);
  stepped.scheduler().Cancel(waiting);
  stepped.scheduler().Cancel(99);
  EXPECT_FALSE(stepped.Step());
  EXPECT_EQ(stepped.stats().finished[static_cast<size_t>(FinishReason::kCancelled)], 3u);
}

// Softmax in double over the logits of an own forward pass is the oracle.
TEST(Scheduler, PromptScoresAreTheModelsWhateverTheStepsSize) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  const Request request = NumberedRequest(70, 0);
  const size_t vocab = engine->spec().vocab;
  PageTable pages = engine->MakePages();
  ASSERT_TRUE(pages.Cover(70).has_value());
  const Decoder::Run run{.tokens = request.prompt, .pages = pages.pages(), .prompt_length = 70};
  const Result<const float*> computed = engine->runner().Compute({&run, 1});
  ASSERT_TRUE(computed.has_value());
  const std::vector<float> logits(*computed, *computed + 70 * vocab);
  pages.Truncate(0);

  for (const size_t step_tokens : {size_t{32}, size_t{256}}) {
    SteppedScheduler stepped(*engine, {.step_tokens = step_tokens});
    stepped.Submit(NumberedRequest(70, 1));
    stepped.RunToEnd();  // the prefix cache has the prompt, and yet it is computed
    const uint64_t id = stepped.Submit({.request = request, .choices = 2, .prompt_logprobs = 3});
    stepped.RunToEnd();
    const Heard heard = stepped.listener.Of(id, 1);
    EXPECT_EQ(heard.finish, FinishReason::kLength);
    EXPECT_TRUE(heard.tokens.empty());
    EXPECT_TRUE(heard.text.empty());
    EXPECT_EQ(heard.usage->miss, CacheMiss::kPromptScores);
    EXPECT_EQ(heard.usage->timings.generated_tokens, 0u);
    ASSERT_TRUE(heard.prompt);
    ASSERT_EQ(heard.prompt->size(), 70u);
    EXPECT_FALSE((*heard.prompt)[0].logprob.has_value());
    for (size_t i = 1; i < 70; ++i) {
      const GeneratedToken& scored = (*heard.prompt)[i];
      const std::span<const float> row(logits.data() + (i - 1) * vocab, vocab);
      EXPECT_EQ(scored.token, request.prompt[i]);
      EXPECT_NEAR(*scored.logprob, -NegativeLogLikelihood(row, static_cast<size_t>(scored.token)), 1e-5) << i;
      ASSERT_EQ(scored.top.size(), 3u);
      EXPECT_EQ(scored.top[0].token, std::max_element(row.begin(), row.end()) - row.begin());
    }
  }
}

TEST(Scheduler, PromptScoresComeWithTheAnswersFirstEvent) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  const Request request = NumberedRequest(40, 5);
  const Reply alone = ReplyAlone(*engine, request);
  SteppedScheduler stepped(*engine, {.max_running = 4, .step_tokens = 16});
  const uint64_t id = stepped.Submit({.request = request, .prompt_logprobs = 0});
  stepped.RunToEnd();
  const Heard heard = stepped.listener.Of(id);
  EXPECT_EQ(heard.reply(), alone);
  ASSERT_TRUE(heard.prompt);
  EXPECT_EQ(heard.prompt->size(), 40u);
  EXPECT_TRUE((*heard.prompt)[5].top.empty());
}

TEST(Scheduler, WhatCanNeverRunIsRefusedWithBothNumbers) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 2});  // 8 pages
  SteppedScheduler stepped(*engine, {.max_running = 4, .step_tokens = 16});
  const auto message = [&](Submission submission) {
    const Status checked = stepped.scheduler().Check(submission);
    EXPECT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
    return checked.error().message;
  };
  EXPECT_THAT(message({.request = NumberedRequest(5, 5), .choices = 5}),
              HasSubstr("5 choices are asked for, allowed is 1 to 4"));
  EXPECT_THAT(message({.request = NumberedRequest(5, 5), .choices = 0}), HasSubstr("0 choices"));
  EXPECT_THAT(message({.request = NumberedRequest(5, 5), .prompt_logprobs = 1001}), HasSubstr("allowed is 0 to 1000"));
  EXPECT_THAT(message({.request = NumberedRequest(128, 5)}), HasSubstr("the prompt has 128 tokens"));
  Request hot = NumberedRequest(5, 5);
  hot.options.sampling.temperature = -1;
  EXPECT_THAT(message({.request = hot}), HasSubstr("temperature is -1"));
  EXPECT_THAT(message({.request = NumberedRequest(5, 123), .choices = 3}),
              HasSubstr("12 pages of the cache, which has 8"));
  EXPECT_TRUE(stepped.scheduler().Check({.request = NumberedRequest(5, 123), .choices = 2}).has_value());
}

TEST(Scheduler, StopStringsSayWhichOneEndedTheAnswer) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Request request = NumberedRequest(20, 40);
  request.options.sampling.temperature = 8;
  const Reply whole = ReplyAlone(*engine, request);
  // A whole character from the middle of its text.
  const auto next_character = [&](size_t at) {
    while (at < whole.first.size() && (whole.first[at] & 0xC0) == 0x80) ++at;
    return at;
  };
  const size_t begin = next_character(whole.first.size() / 2), end = next_character(begin + 1);
  ASSERT_LT(begin, whole.first.size());
  request.options.stop = {"never said", whole.first.substr(begin, end - begin)};
  const Reply alone = ReplyAlone(*engine, request);
  SteppedScheduler stepped(*engine);
  const uint64_t id = stepped.Submit(request);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(id).finish, FinishReason::kStop);
  EXPECT_EQ(stepped.listener.Of(id).stop_string, 1u);
  EXPECT_EQ(stepped.listener.Of(id).reply(), alone);
}

// One whose logits leave nothing to choose fails; the others don't notice.
TEST(Scheduler, OneRequestsErrorIsItsOwn) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Request bad = NumberedRequest(10, 10);
  bad.options.sampling.allowed_tokens = {5};
  bad.options.sampling.banned_tokens = {5};
  const Request good = NumberedRequest(12, 10);
  const Reply alone = ReplyAlone(*engine, good);
  SteppedScheduler stepped(*engine, {.prefix_cache = false});
  const uint64_t failing = stepped.Submit({.request = bad, .choices = 2}), fine = stepped.Submit(good);
  stepped.RunToEnd();
  for (const size_t choice : {size_t{0}, size_t{1}}) {
    ASSERT_TRUE(stepped.listener.Of(failing, choice).error.has_value());
    EXPECT_THAT(stepped.listener.Of(failing, choice).error->message, HasSubstr("no token is left to choose"));
  }
  EXPECT_EQ(stepped.listener.Of(fine).reply(), alone);
  EXPECT_EQ(stepped.stats().failed, 2u);
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
}

// One of two choices that share a grammar goes beyond its limit, or both: each is told so alone.
TEST(Scheduler, AGrammarThatExplodesEndsItsAnswerAlone) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Request guided = NumberedRequest(14, 20);
  guided.grammar = GrammarFor(*engine, {GrammarSource::Kind::kRegex, "[a-z ]*"});
  const Request good = NumberedRequest(12, 40);
  const Reply alone = ReplyAlone(*engine, good), guided_alone = ReplyAlone(*engine, guided);
  SteppedScheduler stepped(*engine);
  const uint64_t first = stepped.Submit(good);
  const uint64_t failing = stepped.Submit({.request = ExplodingRequest(*engine, 40), .choices = 2});
  const uint64_t second = stepped.Submit(guided);
  stepped.RunToEnd();
  for (const size_t choice : {size_t{0}, size_t{1}}) {
    const Heard heard = stepped.listener.Of(failing, choice);
    EXPECT_GT(heard.tokens.size(), 5u);
    ASSERT_TRUE(heard.error.has_value());
    EXPECT_EQ(heard.error->code, ErrorCode::kInvalidArgument) << "what would fail again";
    EXPECT_THAT(heard.error->message, HasSubstr("can't be held to its grammar: the grammar can be at"));
    EXPECT_THAT(heard.error->message, HasSubstr("the limit is 10000"));
  }
  EXPECT_EQ(stepped.listener.Of(first).reply(), alone);
  EXPECT_EQ(stepped.listener.Of(second).reply(), guided_alone);
  EXPECT_TRUE(stepped.listener.Of(second).usage->mask_seconds.has_value());
  EXPECT_FALSE(stepped.listener.Of(first).usage->mask_seconds.has_value());
  EXPECT_EQ(stepped.stats().failed, 2u);
  EXPECT_EQ(stepped.stats().pages_held, 0u);
}

// A step asks for memory to tell its tokens, and for nothing else.
TEST(Scheduler, AStepTakesOnlyTheMemoryOfWhatItTells) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  const std::chrono::steady_clock::time_point never = {};
  size_t told = 0;  // outlives the scheduler, whose end tells of what it cancels
  Scheduler scheduler(*engine, {}, [never] { return never; });
  for (uint64_t id = 1; id <= 4; ++id) {
    Request request = NumberedRequest(33, 60, static_cast<int32_t>(id));
    request.options.sampling.temperature = 8;
    scheduler.Submit(
        id, {.request = request}, [&](ChoiceEvent event) { told += event.tokens.size(); }, never);
  }
  const auto step = [&] {
    scheduler.BeginWaiting();
    scheduler.Step();
  };
  for (int i = 0; i < 4; ++i) step();
  const size_t before = AllocationCount(), told_before = told;
  for (int i = 0; i < 20; ++i) step();  // within one page
  EXPECT_EQ(told - told_before, 80u);
  EXPECT_LE(AllocationCount() - before, 80u);
}

TEST(ScheduleOptions, WhatCantBeIsRefused) {
  EXPECT_TRUE(ScheduleOptions().Check().has_value());
  EXPECT_THAT((ScheduleOptions{.max_running = 32, .step_tokens = 31}.Check().error().message),
              HasSubstr("step-tokens is 31, less than the 32 answers"));
  EXPECT_FALSE((ScheduleOptions{.max_running = 0}.Check().has_value()));
  EXPECT_FALSE((ScheduleOptions{.max_waiting = 0}.Check().has_value()));
  EXPECT_FALSE((ScheduleOptions{.promote_seconds = -1}.Check().has_value()));
}

}  // namespace
}  // namespace octet
