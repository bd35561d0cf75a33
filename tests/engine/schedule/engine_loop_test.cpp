// Requests from many threads, one thread that computes.
#include "engine/schedule/engine_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/engine/schedule/gate.h"
#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

using testing::HasSubstr;

std::unique_ptr<EngineLoop> StartLoop(Engine& engine, const ScheduleOptions& options = {}) {
  Result<std::unique_ptr<EngineLoop>> loop = EngineLoop::Start(engine, options);
  EXPECT_TRUE(loop.has_value()) << loop.error().message;
  return std::move(*loop);
}

uint64_t MustSubmit(EngineLoop& loop, Submission submission, OnEvent on_event) {
  const Result<uint64_t> id = loop.Submit(std::move(submission), std::move(on_event));
  EXPECT_TRUE(id.has_value()) << id.error().message;
  return id.value_or(0);
}

TEST(EngineLoop, ManyThreadsSubmitAndCancelAndEachHearsItsOwn) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 16});
  std::vector<Request> requests;
  std::vector<Reply> alone;
  for (int32_t i = 0; i < 48; ++i) {
    requests.push_back(NumberedRequest(3 + static_cast<size_t>(i), 12, i));
    requests.back().options.sampling.temperature = i % 2 == 0 ? 0.F : 8.F;
    alone.push_back(ReplyAlone(*engine, requests.back()));
  }
  Listener listener;
  std::vector<uint64_t> ids(requests.size());
  {
    const std::unique_ptr<EngineLoop> loop = StartLoop(*engine);
    std::vector<std::thread> clients;
    for (size_t client = 0; client < 6; ++client) {
      clients.emplace_back([&, client] {
        for (size_t i = client; i < requests.size(); i += 6) {
          ids[i] = MustSubmit(*loop, {.request = requests[i]}, listener.ear());
          if (i % 8 == 5) loop->Cancel(ids[i]);
          EXPECT_LE(loop->stats().running, 32u);
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_TRUE(loop->Drain());
    EXPECT_EQ(loop->stats().requests, requests.size());
    EXPECT_EQ(loop->stats().running + loop->stats().waiting, 0u);
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const Heard heard = listener.Of(ids[i]);
    ASSERT_EQ(heard.ends, 1u) << i;
    EXPECT_TRUE(heard.finish == FinishReason::kLength || i % 8 == 5) << i;
    if (heard.finish == FinishReason::kLength) {
      EXPECT_EQ(heard.reply(), alone[i]) << i;
    }
  }
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
}

TEST(EngineLoop, AFullQueueRefusesByAnswersAndByPromptTokens) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Gate gate;
  Listener listener;
  const std::unique_ptr<EngineLoop> loop =
      StartLoop(*engine, {.max_running = 2, .step_tokens = 64, .max_waiting = 4, .max_waiting_tokens = 100});
  MustSubmit(*loop, {.request = NumberedRequest(5, 20), .choices = 2}, gate.ear());
  gate.WaitUntilReached();
  const uint64_t two = MustSubmit(*loop, {.request = NumberedRequest(60, 2), .choices = 2}, listener.ear());
  const Result<uint64_t> tokens = loop->Submit({.request = NumberedRequest(41, 2)}, listener.ear());
  ASSERT_FALSE(tokens.has_value());
  EXPECT_EQ(tokens.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(tokens.error().message, HasSubstr("prompts of 60 tokens wait and one of 41 was sent, 100 are allowed"));
  const uint64_t third = MustSubmit(*loop, {.request = NumberedRequest(40, 2)}, listener.ear());
  const Result<uint64_t> answers = loop->Submit({.request = NumberedRequest(1, 2), .choices = 2}, listener.ear());
  ASSERT_FALSE(answers.has_value());
  EXPECT_EQ(answers.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(answers.error().message, HasSubstr("3 answers wait and 2 more are asked for, 4 are allowed"));
  EXPECT_EQ(loop->stats().waiting, 3u);
  EXPECT_EQ(loop->stats().waiting_tokens, 100u);
  EXPECT_EQ(loop->stats().refused, 2u);
  gate.Open();
  EXPECT_TRUE(loop->Drain());
  for (const uint64_t id : {two, third}) EXPECT_EQ(listener.Of(id).finish, FinishReason::kLength);
  EXPECT_EQ(listener.choices(), 3u);  // nothing was told of those refused
}

TEST(EngineLoop, APromptBeyondTheQueuesTokensFitsAnEmptyQueue) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Listener listener;
  const std::unique_ptr<EngineLoop> loop = StartLoop(*engine, {.max_waiting_tokens = 10});
  const uint64_t id = MustSubmit(*loop, {.request = NumberedRequest(50, 2)}, listener.ear());
  EXPECT_TRUE(loop->Drain());
  EXPECT_EQ(listener.Of(id).finish, FinishReason::kLength);
}

TEST(EngineLoop, InvalidRequestsAreRefusedByTheCallItself) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  const std::unique_ptr<EngineLoop> loop = StartLoop(*engine);
  const Result<uint64_t> id = loop->Submit({.request = NumberedRequest(600, 2)}, [](ChoiceEvent) { FAIL(); });
  ASSERT_FALSE(id.has_value());
  EXPECT_EQ(id.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(EngineLoop::Start(*engine, {.max_running = 64, .step_tokens = 63}).has_value());
}

TEST(EngineLoop, DrainFinishesWhatWasAcceptedAndTakesNoMore) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Listener listener;
  std::vector<uint64_t> ids;
  const std::unique_ptr<EngineLoop> loop = StartLoop(*engine, {.max_running = 2, .step_tokens = 16});
  for (int i = 0; i < 12; ++i)
    ids.push_back(MustSubmit(*loop, {.request = NumberedRequest(20, 30, i)}, listener.ear()));
  EXPECT_FALSE(loop->Drain(std::chrono::steady_clock::now()));
  EXPECT_TRUE(loop->stats().draining);
  const Result<uint64_t> late = loop->Submit({.request = NumberedRequest(5, 5)}, listener.ear());
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(loop->Drain());
  for (const uint64_t id : ids) EXPECT_EQ(listener.Of(id).tokens.size(), 30u);
}

TEST(EngineLoop, ItsEndCancelsWhatRunsAndWaitsAndTellsEach) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  Listener listener;
  Gate gate;
  std::vector<uint64_t> ids;
  std::unique_ptr<EngineLoop> loop = StartLoop(*engine, {.max_running = 2, .step_tokens = 16});
  MustSubmit(*loop, {.request = NumberedRequest(5, 400)}, gate.ear());
  gate.WaitUntilReached();
  for (int i = 0; i < 5; ++i)
    ids.push_back(MustSubmit(*loop, {.request = NumberedRequest(20, 400, i)}, listener.ear()));
  // The end has begun when the engine's thread goes on, or the answer would be whole by then.
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    gate.Open();
  });
  loop.reset();
  opener.join();
  EXPECT_EQ(gate.finish(), FinishReason::kCancelled);
  for (const uint64_t id : ids) EXPECT_EQ(listener.Of(id).finish, FinishReason::kCancelled);
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
}

TEST(EngineLoop, ACancelEndsAnAnswerWithinOneStep) {
  const std::unique_ptr<Engine> engine = OpenForSchedule();
  std::promise<ChoiceEvent> last;
  size_t tokens = 0;
  EngineLoop* running = nullptr;
  std::promise<uint64_t> id;
  std::shared_future<uint64_t> known_id = id.get_future().share();
  const std::unique_ptr<EngineLoop> loop = StartLoop(*engine);
  running = loop.get();
  // From the engine's own thread, with the third token.
  id.set_value(MustSubmit(*loop, {.request = NumberedRequest(5, 400)}, [&](ChoiceEvent event) {
    tokens += event.tokens.size();
    if (tokens == 3) running->Cancel(known_id.get());
    if (event.finish) last.set_value(std::move(event));
  }));
  EXPECT_EQ(last.get_future().get().finish, FinishReason::kCancelled);
  EXPECT_TRUE(loop->Drain());
  EXPECT_EQ(tokens, 3u);
}

}  // namespace
}  // namespace octet
