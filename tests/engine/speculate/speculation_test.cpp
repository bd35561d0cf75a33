// Tokens that are guessed: answers are those of plain decoding, bit for bit, in fewer steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/schedule/harness.h"

namespace octet {
namespace {

using testing::ElementsAre;

// Knows the whole text, and says another token at every place that `wrong_every` divides; 0: nowhere.
class Reciter : public Drafter {
 public:
  Reciter(std::vector<int32_t> text, size_t wrong_every) : text_(std::move(text)), wrong_every_(wrong_every) {}

  void Propose(std::span<const int32_t> tokens, size_t most, std::vector<int32_t>& draft) override {
    for (size_t i = tokens.size(); i < text_.size() && most > 0; ++i, --most) {
      const bool is_wrong = wrong_every_ > 0 && i % wrong_every_ == 0;
      draft.push_back(is_wrong ? (text_[i] + 1) % 100 : text_[i]);
    }
  }

 private:
  std::vector<int32_t> text_;
  size_t wrong_every_;
};

// Of a request and its answer, with tokens behind it that never come.
MakeDrafter Reciting(const Request& request, const Reply& reply, size_t wrong_every) {
  std::vector<int32_t> text = request.prompt;
  for (const auto& [token, logprob] : reply.second) text.push_back(token);
  text.insert(text.end(), 20, 5);
  return [text, wrong_every] { return std::make_unique<Reciter>(text, wrong_every); };
}

std::vector<Request> SomeRequests() {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 6; ++i) {
    Request request = NumberedRequest(20 + 9 * i, 40, static_cast<int32_t>(i));
    SamplingOptions& sampling = request.options.sampling;
    sampling.seed = i;
    sampling.temperature = i % 2 == 0 ? 0.0F : 8.0F;
    if (i >= 2) sampling.repetition_penalty = 1.3F;
    if (i >= 4) sampling.banned_sequences = {{7, 14}, {3}};
    request.options.ignore_eos = i < 3;
    if (i == 5) request.options.stop = {"e"};
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST(Speculation, AnAnswerIsTheSameHoweverGoodTheGuesses) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 4, .speculation = kPlain});
  for (Request request : SomeRequests()) {
    const Reply alone = ReplyAlone(*engine, request);
    for (const size_t wrong_every : {0, 1, 3, 7}) {
      request.make_drafter = Reciting(request, alone, wrong_every);
      EXPECT_EQ(ReplyAlone(*engine, request), alone) << "in a session, wrong every " << wrong_every;
      SteppedScheduler stepped(*engine);
      const uint64_t id = stepped.Submit({.request = request, .choices = 1});
      stepped.RunToEnd();
      const Heard heard = stepped.listener.Of(id);
      EXPECT_EQ(heard.reply(), alone) << "wrong every " << wrong_every;
      EXPECT_EQ(heard.usage->timings.generated_tokens, alone.second.size());
      // All but the first token, which the prompt gives, and the last one, which nothing is computed behind.
      const size_t foreseen = std::max<size_t>(alone.second.size(), 2) - 2;
      const size_t accepted = heard.usage->timings.accepted_tokens;
      EXPECT_LE(accepted, wrong_every == 1 ? 0 : foreseen);
      EXPECT_GE(accepted, wrong_every == 0 ? foreseen : 0);
      EXPECT_EQ(stepped.stats().steps + heard.usage->timings.accepted_tokens, alone.second.size());
      EXPECT_EQ(stepped.stats().accepted_tokens, heard.usage->timings.accepted_tokens);
      EXPECT_EQ(stepped.stats().drafted_tokens, heard.usage->timings.drafted_tokens);
      EXPECT_EQ(stepped.stats().inter_token.count() + 1, alone.second.size());
      EXPECT_EQ(stepped.stats().pages_held, 0u);
    }
  }
  EXPECT_EQ(engine->cache().pages_in_use(), 0u);
}

TEST(Speculation, FortyTokensThatAreForeseenTakeTwoSteps) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .speculation = kPlain});
  Request request = NumberedRequest(20, 40);
  request.make_drafter = Reciting(request, ReplyAlone(*engine, request), 0);
  SteppedScheduler stepped(*engine);
  const uint64_t id = stepped.Submit(request);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.stats().steps, 2u);  // the prompt, and all behind its first token
  EXPECT_EQ(stepped.stats().drafts, 1u);
  EXPECT_EQ(stepped.listener.Of(id).usage->timings.accepted_tokens, 38u);
}

TEST(Speculation, EachChoiceIsHeldAgainstItsOwnDraws) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .sessions = 4, .speculation = kPlain});
  Request request = NumberedRequest(40, 30);
  request.options.sampling.temperature = 8;
  std::vector<Reply> alone;
  for (size_t choice = 0; choice < 4; ++choice) alone.push_back(ReplyAlone(*engine, request, choice));
  request.make_drafter = Reciting(request, alone[1], 0);
  for (const bool prefix_cache : {true, false}) {
    SteppedScheduler stepped(*engine, {.prefix_cache = prefix_cache});
    const uint64_t id = stepped.Submit({.request = request, .choices = 4});
    stepped.RunToEnd();
    for (size_t choice = 0; choice < 4; ++choice) EXPECT_EQ(stepped.listener.Of(id, choice).reply(), alone[choice]);
    EXPECT_EQ(stepped.listener.Of(id, 1).usage->timings.accepted_tokens, 28u);
    EXPECT_LT(stepped.listener.Of(id, 0).usage->timings.accepted_tokens, 20u);
  }
}

// What was computed behind a wrong guess is in no page that others find.
TEST(Speculation, WrongGuessesLeaveNothingInThePrefixCache) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 256, .sessions = 4, .speculation = kPlain});
  Request first = NumberedRequest(30, 70);
  const Reply alone = ReplyAlone(*engine, first);
  first.make_drafter = Reciting(first, alone, 5);
  Request second = first;
  second.make_drafter = nullptr;
  for (const auto& [token, logprob] : alone.second) second.prompt.push_back(token);
  const Reply second_alone = ReplyAlone(*engine, second);
  SteppedScheduler stepped(*engine);
  stepped.Submit(first);
  stepped.RunToEnd();
  const uint64_t id = stepped.Submit(second);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(id).reply(), second_alone);
  EXPECT_EQ(stepped.stats().cache_hits, 96u);  // of 100 tokens
}

TEST(Speculation, AGuessEndsBeforeATokenThatTheModelDoesntHave) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 128, .speculation = kPlain});
  Request request = NumberedRequest(20, 12);
  const Reply alone = ReplyAlone(*engine, request);
  for (const int32_t unknown : {-1, static_cast<int32_t>(engine->spec().vocab)}) {
    Reply misread = alone;
    misread.second[3].first = unknown;
    request.make_drafter = Reciting(request, misread, 0);
    SteppedScheduler stepped(*engine);
    const uint64_t id = stepped.Submit(request);
    stepped.RunToEnd();
    EXPECT_EQ(stepped.listener.Of(id).reply(), alone);
    EXPECT_EQ(stepped.listener.Of(id).usage->timings.drafted_tokens,
              stepped.listener.Of(id).usage->timings.accepted_tokens);
  }
}

TEST(Speculation, PromptsAndAnswersKeepTheirShareOfAStep) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.context = 256, .sessions = 4, .speculation = kPlain});
  Request answering = NumberedRequest(8, 60);
  const Reply alone = ReplyAlone(*engine, answering);
  answering.make_drafter = Reciting(answering, alone, 2);
  SteppedScheduler stepped(*engine, {.max_running = 4, .step_tokens = 10});
  const uint64_t first = stepped.Submit(answering), second = stepped.Submit(answering);
  stepped.Step();  // the first one's prompt and a part of the second one's
  stepped.Step();
  const Request reading = NumberedRequest(100, 4, 3);
  const uint64_t third = stepped.Submit(reading);
  stepped.Step();
  EXPECT_EQ(stepped.scheduler().last_step().tokens, 10u);  // two answers, four guesses, four of the prompt
  EXPECT_EQ(stepped.scheduler().last_step().answers, 2u);
  stepped.RunToEnd();
  EXPECT_EQ(stepped.listener.Of(first).reply(), alone);
  EXPECT_EQ(stepped.listener.Of(second).reply(), alone);
  EXPECT_EQ(stepped.listener.Of(third).reply(), ReplyAlone(*engine, reading));
}

TEST(Speculation, AnErrorComesBehindTheTokensThatWereChosenBeforeIt) {
  const std::unique_ptr<Engine> engine = OpenForSchedule({.speculation = kPlain});
  Request request = ExplodingRequest(*engine, 20);
  SteppedScheduler plain(*engine);
  const Heard alone = plain.listener.Of([&] {
    const uint64_t id = plain.Submit(request);
    plain.RunToEnd();
    return id;
  }());
  ASSERT_TRUE(alone.error.has_value());
  request.make_drafter = Reciting(request, alone.reply(), 0);
  SteppedScheduler stepped(*engine);
  const uint64_t id = stepped.Submit(request);
  stepped.RunToEnd();
  const Heard heard = stepped.listener.Of(id);
  ASSERT_TRUE(heard.error.has_value());
  EXPECT_EQ(heard.error->message, alone.error->message);
  EXPECT_EQ(heard.reply(), alone.reply());
  EXPECT_LT(stepped.stats().steps, plain.stats().steps);
}

// Answers that pass the length at which the angles of keys change, and windows that slide.
TEST(Speculation, ModelsWhoseAnglesDependOnLengthAnswerTheSame) {
  for (const char* name : {"phi3_long", "llama_dynamic", "gemma3"}) {
    SCOPED_TRACE(name);
    const std::unique_ptr<Engine> engine = OpenForSchedule({.sessions = 2, .speculation = kPlain}, name);
    for (size_t prompt = 8; prompt < 40; prompt += 9) {
      Request request = NumberedRequest(prompt, 40);
      request.options.sampling.temperature = 8;
      const Reply alone = ReplyAlone(*engine, request);
      for (const size_t wrong_every : {0, 4}) {
        request.make_drafter = Reciting(request, alone, wrong_every);
        SteppedScheduler stepped(*engine);
        const uint64_t id = stepped.Submit(request);
        stepped.RunToEnd();
        EXPECT_EQ(stepped.listener.Of(id).reply(), alone) << prompt;
        EXPECT_GT(stepped.stats().accepted_tokens, 5u);
      }
    }
  }
}

constexpr const char* kLongKeys = R"({"type":"object","properties":{
    "zulu_quebec_jumps_quickly_by":{"type":"integer","minimum":0,"maximum":9},
    "the_other_thing_in_another_ring":{"enum":["maximum_quality_wax","minimum_vocabulary"]}},
    "required":["zulu_quebec_jumps_quickly_by","the_other_thing_in_another_ring"],"additionalProperties":false})";

std::vector<Request> GuidedRequests(Engine& engine) {
  using Form = GrammarSource::Kind;
  const std::vector<GrammarSource> forms = {{Form::kJsonSchema, kLongKeys},
                                            {Form::kChoices, {}, {"quick_brown_fox", "quick_brown_dog"}},
                                            {Form::kRegex, "(?:key_of_a_long_kind=[0-9]{2};){2}"}};
  std::vector<Request> requests;
  for (size_t i = 0; i < 9; ++i) {
    Request request = NumberedRequest(10 + 5 * i, 120, static_cast<int32_t>(i));
    request.options.sampling.seed = i;
    request.options.sampling.temperature = i < 3 ? 0.0F : 4.0F;
    request.grammar = GrammarFor(engine, forms[i % 3]);
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST(JumpForward, GuidedAnswersAreTheSameInFewerSteps) {
  const std::unique_ptr<Engine> plain = OpenForSchedule({.context = 256, .speculation = kPlain});
  const std::unique_ptr<Engine> jumping = OpenForSchedule({.context = 256, .sessions = 2});
  for (const Request& request : GuidedRequests(*plain)) {
    const Reply alone = ReplyAlone(*plain, request);
    EXPECT_EQ(ReplyAlone(*jumping, request), alone);
    SteppedScheduler stepped(*jumping);
    const uint64_t id = stepped.Submit(request);
    stepped.RunToEnd();
    const Heard heard = stepped.listener.Of(id);
    EXPECT_EQ(heard.reply(), alone);
    EXPECT_EQ(heard.usage->timings.generated_tokens, alone.second.size());
    EXPECT_LT(2 * stepped.stats().steps, alone.second.size()) << alone.first;
  }
}

TEST(JumpForward, IsTheSameForManyTogetherWithChoicesCancelsAndPreemption) {
  const std::unique_ptr<Engine> plain = OpenForSchedule({.context = 256, .speculation = kPlain});
  const std::vector<Request> requests = GuidedRequests(*plain);
  for (const bool preempt : {false, true}) {
    const std::unique_ptr<Engine> jumping = OpenForSchedule({.context = 256, .sessions = preempt ? 2u : 16u});
    SteppedScheduler stepped(*jumping, {.preempt = preempt});
    std::vector<uint64_t> ids;
    for (const Request& request : requests) ids.push_back(stepped.Submit({.request = request, .choices = 3}));
    const uint64_t leaving = stepped.Submit(requests[0]);
    for (int i = 0; i < 5; ++i) stepped.Step();
    stepped.scheduler().Cancel(leaving);
    stepped.RunToEnd();
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t choice = 0; choice < 3; ++choice)
        EXPECT_EQ(stepped.listener.Of(ids[i], choice).reply(), ReplyAlone(*plain, requests[i], choice));
    }
    EXPECT_GT(stepped.stats().accepted_tokens, 300u);
    EXPECT_EQ(stepped.stats().preemptions > 0, preempt);
    EXPECT_EQ(stepped.stats().pages_held, 0u);
  }
}

// Without a model: the logits of each row come from the test.
class DraftedSequence : public testing::Test {
 protected:
  static constexpr size_t kVocab = 8;

  // The drafter knows the answer to be `text`.
  Result<Sequence> Make(size_t prompt, GenerateOptions options, std::vector<int32_t> text) {
    Request request;
    request.prompt.assign(prompt, 1);
    request.options = std::move(options);
    request.make_drafter = [prompt, text = std::move(text)] {
      std::vector<int32_t> whole(prompt, 1);
      whole.insert(whole.end(), text.begin(), text.end());
      return std::make_unique<Reciter>(whole, 0);
    };
    return Sequence::Create(std::move(request), {.context = 100, .vocab = kVocab, .end_tokens = {}},
                            PageTable(pool_, 100));
  }

  // Of a run's wanted rows, which choose these tokens.
  static Status Choose(Sequence& sequence, size_t most, const std::vector<int32_t>& tokens) {
    const Decoder::Run run = OCTET_TRY(sequence.NextRun(most));
    EXPECT_EQ(run.tokens.size() - run.logits_from, tokens.size());
    std::vector<float> logits(kVocab * tokens.size());
    for (size_t row = 0; row < tokens.size(); ++row) logits[row * kVocab + static_cast<size_t>(tokens[row])] = 1;
    return sequence.Advance(run, logits.data());
  }

  PagePool pool_ = *PagePool::Create(64, 8);
};

TEST_F(DraftedSequence, KeepsWhatIsEqualAndGivesBackTheRestsPages) {
  Result<Sequence> sequence = Make(29, {}, {2, 3, 4, 5, 6, 7});
  EXPECT_EQ(sequence->Draft(8), 0u) << "a prompt is read first";
  ASSERT_TRUE(Choose(*sequence, 100, {2}).has_value());
  EXPECT_EQ(sequence->Draft(4), 4u);
  EXPECT_EQ(sequence->PagesToTake(5), 1u);  // positions 29 to 33
  const Result<Decoder::Run> run = sequence->NextRun(5);
  EXPECT_THAT(run->tokens, ElementsAre(2, 3, 4, 5, 6));
  EXPECT_EQ(run->first_position, 29u);
  EXPECT_EQ(run->logits_from, 0u);
  ASSERT_TRUE(Choose(*sequence, 5, {3, 4, 7, 1, 1}).has_value());  // 5 was guessed where 7 is chosen
  EXPECT_EQ(sequence->tokens().size(), 33u);
  EXPECT_EQ(sequence->tokens().back(), 7);
  EXPECT_EQ(sequence->cached(), 32u);
  EXPECT_EQ(pool_.pages_in_use(), 1u);
  EXPECT_EQ(sequence->drafted_tokens(), 4u);
  EXPECT_EQ(sequence->accepted_tokens(), 2u);
}

TEST_F(DraftedSequence, GuessesLessBehindAGuessThatWasWrong) {
  Result<Sequence> sequence = Make(4, {}, {2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4});
  ASSERT_TRUE(Choose(*sequence, 100, {2}).has_value());
  EXPECT_EQ(sequence->Draft(6), 6u);
  ASSERT_TRUE(Choose(*sequence, 100, {7, 0, 0, 0, 0, 0, 0}).has_value());  // nothing was right
  EXPECT_EQ(sequence->Draft(100), 2u);
  ASSERT_TRUE(Choose(*sequence, 100, {4, 5, 6}).has_value());  // both were
  EXPECT_EQ(sequence->Draft(100), 6u);
}

TEST_F(DraftedSequence, GuessesNoMoreThanTheAnswerHasRoomFor) {
  Result<Sequence> sequence = Make(4, {.max_tokens = 4}, {2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(Choose(*sequence, 100, {2}).has_value());
  EXPECT_EQ(sequence->Draft(8), 2u);  // the fourth token is chosen and not computed
  ASSERT_TRUE(Choose(*sequence, 8, {3, 4, 5}).has_value());
  EXPECT_EQ(sequence->finish_reason(), FinishReason::kLength);
  EXPECT_EQ(sequence->cached(), 7u);
}

TEST_F(DraftedSequence, ARunMayLeaveTheGuessOut) {
  Result<Sequence> sequence = Make(4, {}, {2, 3, 4, 5});
  ASSERT_TRUE(Choose(*sequence, 100, {2}).has_value());
  EXPECT_EQ(sequence->Draft(8), 3u);
  ASSERT_TRUE(Choose(*sequence, 1, {3}).has_value());
  const Result<Decoder::Run> next = sequence->NextRun(100);
  EXPECT_THAT(next->tokens, ElementsAre(3)) << "a guess is for the next run alone";
}

TEST_F(DraftedSequence, NothingIsChosenBehindTheAnswersEnd) {
  Result<Sequence> sequence = Make(4, {.stop_tokens = {4}}, {2, 3, 4, 5});
  ASSERT_TRUE(Choose(*sequence, 100, {2}).has_value());
  EXPECT_EQ(sequence->Draft(8), 3u);
  ASSERT_TRUE(Choose(*sequence, 100, {3, 4, 5, 6}).has_value());
  EXPECT_EQ(sequence->finish_reason(), FinishReason::kStop);
  EXPECT_THAT(sequence->tokens(), ElementsAre(1, 1, 1, 1, 2, 3, 4));
}

}  // namespace
}  // namespace octet
