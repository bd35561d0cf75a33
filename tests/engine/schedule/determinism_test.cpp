// Two hundred requests of every kind, 32 answers at a time, with guesses of tokens to come: each is told what it would
// be told alone, a token a step.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "kernels/kernel_table.h"
#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

constexpr size_t kRequests = 200;

struct Asked {
  Submission submission;
  std::optional<size_t> cancel_after;  // tokens of choice 0
};

Request RandomRequest(std::mt19937& random) {
  const auto below = [&](size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); };
  Request request;
  // Three beginnings that many share, of two pages, of a page and a half, and none.
  const size_t shared = std::array<size_t, 3>{70, 48, 0}[below(3)];
  for (size_t i = 0; i < shared; ++i) request.prompt.push_back(static_cast<int32_t>((i * i + shared) % 200));
  for (size_t i = 0, own = 1 + below(60); i < own; ++i) request.prompt.push_back(static_cast<int32_t>(below(200)));
  GenerateOptions& options = request.options;
  options.max_tokens = 1 + below(24);
  options.ignore_eos = below(2) == 0;
  SamplingOptions& sampling = options.sampling;
  sampling.logprobs = static_cast<int32_t>(below(3));
  sampling.seed = below(1000);
  if (below(3) > 0) sampling.temperature = 8;
  if (below(3) == 0) sampling.top_p = 0.8F;
  if (below(3) == 0) sampling.top_k = 20;
  if (below(4) == 0) sampling.repetition_penalty = 1.2F;
  if (below(4) == 0) sampling.presence_penalty = 0.5F;
  if (below(4) == 0) sampling.logit_bias = {{static_cast<int32_t>(below(200)), 3.0F}};
  if (below(5) == 0) options.stop = {"e", "the"};
  return request;
}

std::vector<Asked> RandomRequests(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Asked> all;
  for (size_t i = 0; i < kRequests; ++i) {
    Asked asked{.submission = {.request = RandomRequest(random)}, .cancel_after = {}};
    if (random() % 5 == 0) asked.submission.choices = 2 + random() % 3;
    if (random() % 4 == 0) asked.submission.priority = Priority::kHigh;
    if (random() % 4 == 0) asked.submission.cache_salt = "tenant";
    if (random() % 8 == 0) asked.submission.prompt_logprobs = 1;
    if (random() % 6 == 0) asked.cancel_after = random() % 6;
    all.push_back(std::move(asked));
  }
  return all;
}

// A third of the requests, each choice of theirs held to a form of its own; some share one.
void GuideSome(Engine& engine, std::vector<Asked>& all) {
  using Form = GrammarSource::Kind;
  const std::vector<GrammarSource> forms = {
      {Form::kJsonObject},
      {Form::kRegex, "(?:[a-z]{1,9}[ ,.])*[A-Z]"},
      {Form::kChoices, {}, {"yes", "no", "yes and no"}},
      {Form::kJsonSchema, R"({"type":"array","items":{"enum":["a","bc",1]},"maxItems":4})"},
      {Form::kRegex, "(?:the_other_thing=[0-9];)*"}};
  for (size_t i = 0; i < all.size(); i += 3) all[i].submission.request.grammar = GrammarFor(engine, forms[i % 5]);
}

// Half of them, by two adapters.
void AdaptSome(Engine& engine, std::vector<Asked>& all) {
  const std::shared_ptr<const Adapter> adapters[] = {OpenGoldenAdapter(engine, "smollm2_a"),
                                                     OpenGoldenAdapter(engine, "smollm2_b")};
  for (size_t i = 0; i < all.size(); i += 2) all[i].submission.request.adapter = adapters[i / 2 % 2];
}

std::vector<Reply> AllAlone(Engine& engine, const std::vector<Asked>& all) {
  std::vector<Reply> alone;
  for (const Asked& asked : all) {
    for (size_t choice = 0; choice < asked.submission.choices; ++choice)
      alone.push_back(ReplyAlone(engine, asked.submission.request, choice));
  }
  return alone;
}

// What was said until a cancel is how the whole answer begins.
void ExpectBeginning(const Reply& got, const Reply& whole, size_t request) {
  ASSERT_LE(got.second.size(), whole.second.size()) << request;
  EXPECT_TRUE(std::equal(got.second.begin(), got.second.end(), whole.second.begin())) << request;
}

void CancelThoseDue(SteppedScheduler& stepped, const std::vector<Asked>& all, const std::vector<uint64_t>& ids) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!all[i].cancel_after) continue;
    const Heard heard = stepped.listener.Of(ids[i]);
    if (heard.ends == 0 && heard.tokens.size() >= *all[i].cancel_after) stepped.scheduler().Cancel(ids[i]);
  }
}

// Sends a few at a time, so that prompts, answers and ends fall into the same steps.
std::vector<uint64_t> RunAll(SteppedScheduler& stepped, const std::vector<Asked>& all) {
  std::vector<uint64_t> ids;
  bool more = true;
  for (size_t steps = 0; more || ids.size() < all.size(); ++steps) {
    for (size_t i = 0; i < 5 && ids.size() < all.size(); ++i) ids.push_back(stepped.Submit(all[ids.size()].submission));
    more = stepped.Step();
    CancelThoseDue(stepped, all, ids);
    if (steps > 100000) {
      ADD_FAILURE() << "it doesn't end";
      break;
    }
  }
  return ids;
}

void ExpectAllAsAlone(const SteppedScheduler& stepped, const std::vector<Asked>& all, const std::vector<uint64_t>& ids,
                      const std::vector<Reply>& alone) {
  size_t next = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t choice = 0; choice < all[i].submission.choices; ++choice, ++next) {
      const Heard heard = stepped.listener.Of(ids[i], choice);
      ASSERT_EQ(heard.ends, 1u) << i;
      ASSERT_TRUE(heard.finish.has_value()) << i << ": " << heard.error.value_or(Error{}).message;
      if (heard.finish == FinishReason::kCancelled) {
        EXPECT_TRUE(all[i].cancel_after.has_value()) << i;
        ExpectBeginning(heard.reply(), alone[next], i);
      } else {
        EXPECT_EQ(heard.reply(), alone[next]) << "request " << i << ", choice " << choice;
        EXPECT_EQ(heard.prompt != nullptr, all[i].submission.prompt_logprobs.has_value()) << i;
      }
    }
  }
}

void CheckSchedule(Engine& engine, const ScheduleOptions& options, const std::vector<Asked>& all,
                   const std::vector<Reply>& alone) {
  {
    SteppedScheduler stepped(engine, options);
    const std::vector<uint64_t> ids = RunAll(stepped, all);
    ExpectAllAsAlone(stepped, all, ids, alone);
    const LoopStats& stats = stepped.stats();
    EXPECT_EQ(stats.pages_held, 0u);
    EXPECT_EQ(engine.cache().pages_in_use(), stats.pages_kept);
    EXPECT_EQ(stats.requests, kRequests);
    EXPECT_GT(stats.accepted_tokens, 20u);
    EXPECT_GT(stats.drafted_tokens, stats.accepted_tokens);
    EXPECT_EQ(stats.preemptions > 0, options.preempt);
    EXPECT_EQ(stats.cache_hits > 0, options.prefix_cache);
    EXPECT_EQ(stats.pages_kept > 0, options.prefix_cache);
  }
  EXPECT_EQ(engine.cache().pages_in_use(), 0u);
}

// The tier that engines opened in its life compute with.
class TierScope {
 public:
  explicit TierScope(const char* name) {
    if (const char* before = std::getenv("OCTET_CPU")) before_ = before;
    ::setenv("OCTET_CPU", name, 1);
  }
  ~TierScope() { before_ ? ::setenv("OCTET_CPU", before_->c_str(), 1) : ::unsetenv("OCTET_CPU"); }

 private:
  std::optional<std::string> before_;
};

TEST(Determinism, TwoHundredRequestsTogetherAnswerAsAloneInEveryTier) {
  std::vector<Asked> all = RandomRequests(1);
  for (const kernels::KernelTable* tier : kernels::AvailableTiers()) {
    SCOPED_TRACE(tier->name);
    const TierScope scope(tier->name);
    const std::unique_ptr<Engine> alone = OpenForSchedule({.threads = 1, .context = 256, .speculation = kPlain});
    const std::unique_ptr<Engine> engine =
        OpenForSchedule({.threads = 1, .context = 256, .sessions = 16, .speculation = {.ngram_tokens = 5}});
    ASSERT_STREQ(engine->tier(), tier->name);
    ASSERT_STREQ(engine->limits().kernels->name, tier->name) << "of probabilities";
    GuideSome(*alone, all);
    AdaptSome(*alone, all);
    CheckSchedule(*engine, {}, all, AllAlone(*alone, all));
  }
}

TEST(Determinism, NorDoOptionsOfTheScheduleChangeAnAnswer) {
  std::vector<Asked> all = RandomRequests(2);
  const std::unique_ptr<Engine> plain = OpenForSchedule({.context = 256, .speculation = kPlain});
  GuideSome(*plain, all);
  AdaptSome(*plain, all);
  const std::vector<Reply> alone = AllAlone(*plain, all);
  const std::unique_ptr<Engine> large = OpenForSchedule({.context = 256, .sessions = 16});
  CheckSchedule(*large, {.prefix_cache = false}, all, alone);
  CheckSchedule(*large, {.max_running = 8, .step_tokens = 9}, all, alone);
  // 16 pages for 32 answers: nearly all are put back some time.
  const std::unique_ptr<Engine> small =
      OpenForSchedule({.context = 256, .sessions = 2, .speculation = {.ngram_tokens = 3}});
  CheckSchedule(*small, {.preempt = true}, all, alone);
  CheckSchedule(*small, {.prefix_cache = false, .preempt = true}, all, alone);
}

// Models whose keys' angles depend on how long a sequence is; the answers pass the length where they change.
TEST(Determinism, ModelsWhoseAnglesDependOnLengthAnswerAsAlone) {
  for (const char* name : {"phi3_long", "llama_dynamic", "gemma3"}) {
    SCOPED_TRACE(name);
    const std::unique_ptr<Engine> engine = OpenForSchedule({.sessions = 6}, name);
    const size_t context = engine->context();
    std::mt19937 random(3);
    for (const ScheduleOptions& options : {ScheduleOptions{}, ScheduleOptions{.preempt = true}}) {
      std::vector<Asked> all;
      for (size_t i = 0; i < 40; ++i) {
        const size_t prompt = std::min<size_t>(context - 2, 20 + random() % 24);
        Asked asked{.submission = {.request = NumberedRequest(prompt, 1 + random() % 40)}, .cancel_after = {}};
        asked.submission.request.options.sampling.temperature = 8;
        asked.submission.choices = 1 + random() % 3;
        all.push_back(std::move(asked));
      }
      const std::vector<Reply> alone = AllAlone(*engine, all);
      SteppedScheduler stepped(*engine, options);
      std::vector<uint64_t> ids;
      for (const Asked& asked : all) ids.push_back(stepped.Submit(asked.submission));
      stepped.RunToEnd();
      ExpectAllAsAlone(stepped, all, ids, alone);
      EXPECT_EQ(stepped.stats().pages_held, 0u);
    }
    EXPECT_EQ(engine->cache().pages_in_use(), 0u);
  }
}

}  // namespace
}  // namespace octet
