// Adapters of requests that share an engine: whose pages serve whom, and what is told of them. That answers are those
// of each request alone is in determinism_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AdaptedRequests : public testing::Test {
 protected:
  Request Asked(std::shared_ptr<const Adapter> adapter) const {
    Request request = NumberedRequest(70, 6);
    request.adapter = std::move(adapter);
    return request;
  }

  std::unique_ptr<Engine> engine_ = OpenForSchedule({.context = 256, .sessions = 8, .speculation = kPlain});
  std::shared_ptr<const Adapter> a_ = OpenGoldenAdapter(*engine_, "smollm2_a"),
                                 b_ = OpenGoldenAdapter(*engine_, "smollm2_b");
};

TEST_F(AdaptedRequests, PagesServeRequestsOfTheSameAdapterAlone) {
  const std::vector<std::shared_ptr<const Adapter>> order = {nullptr, a_, b_, a_, nullptr, b_};
  std::vector<Reply> alone;
  for (const auto& adapter : order) alone.push_back(ReplyAlone(*engine_, Asked(adapter)));
  EXPECT_NE(alone[0], alone[1]);
  EXPECT_NE(alone[1], alone[2]);
  SteppedScheduler stepped(*engine_);
  for (size_t i = 0; i < order.size(); ++i) {
    const uint64_t id = stepped.Submit(Asked(order[i]));
    stepped.RunToEnd();
    const Heard heard = stepped.listener.Of(id);
    EXPECT_EQ(heard.reply(), alone[i]) << i;
    ASSERT_TRUE(heard.usage.has_value());
    EXPECT_EQ(heard.usage->timings.cached_tokens, i < 3 ? 0u : 64u) << i;
  }
}

TEST_F(AdaptedRequests, ASessionForgetsItsPagesWhereTheAdapterChanges) {
  const Reply plain = ReplyAlone(*engine_, Asked(nullptr)), adapted = ReplyAlone(*engine_, Asked(a_));
  EngineSession session(*engine_);
  const auto ask = [&](std::shared_ptr<const Adapter> adapter) {
    return Must(session.Generate(Asked(std::move(adapter)), {}, nullptr));
  };
  EXPECT_EQ(ask(nullptr).timings.cached_tokens, 0u);
  const GenerateResult changed = ask(a_), again = ask(a_), back = ask(nullptr);
  EXPECT_EQ(changed.timings.cached_tokens, 0u);
  EXPECT_EQ(ReplyOf(changed.text, changed.tokens), adapted);
  EXPECT_EQ(again.timings.cached_tokens, 69u);
  EXPECT_EQ(ReplyOf(again.text, again.tokens), adapted);
  EXPECT_EQ(back.timings.cached_tokens, 0u);
  EXPECT_EQ(ReplyOf(back.text, back.tokens), plain);
}

TEST_F(AdaptedRequests, ThoseThatRunAndWaitAreCounted) {
  SteppedScheduler stepped(*engine_, {.max_running = 3});
  for (const auto& adapter : {b_, a_, a_, b_}) stepped.Submit(Asked(adapter));
  stepped.Submit(Asked(nullptr));
  EXPECT_THAT(stepped.stats().running_adapters, IsEmpty());
  EXPECT_THAT(stepped.stats().waiting_adapters, ElementsAre(a_->number(), b_->number()));
  stepped.Step();
  EXPECT_THAT(stepped.stats().running_adapters, ElementsAre(a_->number(), b_->number()));
  EXPECT_THAT(stepped.stats().waiting_adapters, ElementsAre(b_->number()));
  stepped.RunToEnd();
  EXPECT_THAT(stepped.stats().running_adapters, IsEmpty());
  EXPECT_THAT(stepped.stats().waiting_adapters, IsEmpty());
}

// It ends alone: the others of its step go on.
TEST_F(AdaptedRequests, OneOfAnotherModelIsRefusedBeforeItRuns) {
  ModelSpec shorter = engine_->spec();
  shorter.layers.pop_back();
  const Submission submission{.request = Asked(Must(Adapter::Bind({.path = "poems", .matrices = {}}, shorter)))};
  SteppedScheduler stepped(*engine_);
  const Status refused = stepped.scheduler().Check(submission);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("2 layers, the model has 3"));
}

}  // namespace
}  // namespace octet
