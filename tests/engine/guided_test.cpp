// Guided answers of a tiny model with random weights: whatever it would say, at any temperature, the text fits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/grammar/compiled_grammar.h"
#include "engine/grammar/grammar_source.h"
#include "engine/session.h"
#include "tests/models/golden_model.h"
#include "text/regex.h"

namespace octet {
namespace {

using testing::HasSubstr;
using Kind = GrammarSource::Kind;

constexpr const char* kSchema =
    R"({"type":"object","properties":{"n":{"type":"integer","minimum":-20,"maximum":300},"s":{"type":"string","maxLength":6},
        "list":{"type":"array","items":{"enum":["x",null]},"maxItems":3}},"required":["n","s"],"additionalProperties":false})";

class Guided : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Engine>> engine = Engine::Open(GoldenModel("llama3"), {.threads = 2, .sessions = 4});
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
  }

  Request MakeRequest(const GrammarSource& source, uint64_t seed) {
    Request request;
    request.prompt = {1, 2, static_cast<int32_t>(3 + seed % 5)};
    request.options.max_tokens = 300;
    request.options.sampling.temperature = seed % 3 == 0 ? 0.0f : 20.0f;
    request.options.sampling.seed = seed;
    auto grammar = engine_->grammars().Compile(source);
    EXPECT_TRUE(grammar.has_value()) << grammar.error().message;
    request.grammar = *grammar;
    return request;
  }

  GenerateResult Answer(Request request) {
    EngineSession session(*engine_);
    Result<GenerateResult> result = session.Generate(std::move(request), {}, nullptr);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return *result;
  }

  std::unique_ptr<Engine> engine_;
};

// Tokens a, b, c and one that ends the answer, which the logits like best.
Sampler AtoB(std::vector<int32_t> banned = {}) {
  SamplingOptions options;
  options.banned_tokens = std::move(banned);
  const std::vector<int32_t> end = {3};
  Result<Sampler> sampler = Sampler::Create(options, 4, end, 0);
  const auto tokens = std::make_shared<const grammar::TokenTable>(std::vector<std::string>{"a", "b", "c", ""},
                                                                  std::vector<std::string>{});
  const auto program = CompileSource({Kind::kRegex, "ab?", {}});
  EXPECT_TRUE(sampler && program);
  sampler->Constrain(grammar::CompiledGrammar::Start(std::make_shared<grammar::CompiledGrammar>(*program, tokens)));
  return std::move(*sampler);
}

TEST(GuidedSampler, EndTokensAreLeftOutUntilTheTextIsWhole) {
  Sampler sampler = AtoB();
  const std::vector<float> logits = {0, 1, 2, 9};
  EXPECT_EQ(sampler.Next(logits)->token, 0);
  EXPECT_FALSE(sampler.is_complete());
  EXPECT_EQ(sampler.Next(logits)->token, 3);
}

TEST(GuidedSampler, AnEndTokenWithTextThatFitsIsLeftOut) {
  const std::vector<int32_t> end = {0};
  Result<Sampler> sampler = Sampler::Create({}, 2, end, 0);
  const auto tokens =
      std::make_shared<const grammar::TokenTable>(std::vector<std::string>{"aa", "a"}, std::vector<std::string>{});
  const auto program = CompileSource({Kind::kRegex, "aaa", {}});
  ASSERT_TRUE(sampler && program);
  sampler->Constrain(grammar::CompiledGrammar::Start(std::make_shared<grammar::CompiledGrammar>(*program, tokens)));
  EXPECT_EQ(sampler->Next(std::vector<float>{5, 0})->token, 1);
}

TEST(GuidedSampler, TextToWhichNothingCanBeAddedIsComplete) {
  Sampler sampler = AtoB({3});
  const std::vector<float> logits = {0, 1, 2, 9};
  EXPECT_EQ(sampler.Next(logits)->token, 0);
  EXPECT_EQ(sampler.Next(logits)->token, 1);
  EXPECT_TRUE(sampler.is_complete());
}

void ExpectFitsSchema(const std::string& text) {
  const Result<Json> json = ParseJson(text, "answer");
  ASSERT_TRUE(json.has_value()) << text;
  ASSERT_TRUE(json->is_object() && json->contains("n") && json->contains("s")) << text;
  EXPECT_TRUE((*json)["n"].is_number_integer() && (*json)["n"] >= -20 && (*json)["n"] <= 300) << text;
  EXPECT_TRUE((*json)["s"].is_string()) << text;
  EXPECT_LE(json->size(), json->contains("list") ? 3u : 2u) << text;
  if (!json->contains("list")) return;
  EXPECT_LE((*json)["list"].size(), 3u);
  for (const Json& item : (*json)["list"]) EXPECT_TRUE(item == "x" || item.is_null()) << text;
}

TEST_F(Guided, EverySampleFitsTheSchema) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const GenerateResult result = Answer(MakeRequest({Kind::kJsonSchema, kSchema}, seed));
    ASSERT_EQ(result.finish_reason, FinishReason::kStop) << result.text;
    ExpectFitsSchema(result.text);
  }
}

TEST_F(Guided, EverySampleMatchesThePattern) {
  const std::string pattern = "[A-Z][a-z]{1,4}(?:, \\d{2}){0,3}[^a-z\\x00-\\x1f]";
  const Result<Regex> regex = Regex::Compile("\\A(?:" + pattern + ")\\z", "test");
  ASSERT_TRUE(regex.has_value());
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const GenerateResult result = Answer(MakeRequest({Kind::kRegex, pattern}, seed));
    size_t matches = 0;
    regex->ForEachMatch(result.text, [&](size_t, size_t) { ++matches; });
    EXPECT_EQ(matches, 1u) << result.text;
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  }
}

TEST_F(Guided, JsonThatIsCutShortIsABeginning) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const GenerateResult result = Answer(MakeRequest({Kind::kJsonObject}, seed));
    if (result.finish_reason == FinishReason::kStop) {
      EXPECT_TRUE(ParseJson(result.text, "answer").has_value()) << result.text;
    }
    EXPECT_TRUE(result.text.starts_with('{')) << result.text;
  }
}

// Alone, in a batch, with a grammar that is used for the first time or has been used before.
TEST_F(Guided, AnswersAreTheSameInABatchAndAlone) {
  std::vector<Request> requests;
  for (uint64_t seed = 1; seed <= 4; ++seed)
    requests.push_back(MakeRequest(
        seed % 2 == 0 ? GrammarSource{Kind::kJsonSchema, kSchema} : GrammarSource{Kind::kJsonObject}, seed));
  for (Request& request : requests) request.options.max_tokens = 60;
  std::vector<Sequence> sequences;
  std::vector<Sequence*> running;
  for (const Request& request : requests)
    sequences.push_back(*Sequence::Create(request, engine_->limits(), engine_->MakePages()));
  for (Sequence& sequence : sequences) running.push_back(&sequence);
  const auto unfinished = [](const Sequence& sequence) { return !sequence.finished(); };
  while (std::any_of(sequences.begin(), sequences.end(), unfinished))
    ASSERT_TRUE(engine_->runner().Step(running).has_value());
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(sequences[i].TakeText(), Answer(requests[i]).text) << i;
}

// Of two sequences in a step one can't go on; the other advances with it and after it.
TEST_F(Guided, ASequenceThatFailsEndsAlone) {
  Request failing = MakeRequest({Kind::kChoices, {}, {"a"}}, 1);
  for (int32_t id = 0; id < static_cast<int32_t>(engine_->spec().vocab); ++id)
    failing.options.sampling.banned_tokens.push_back(id);
  Request good = MakeRequest({Kind::kJsonObject}, 2);
  good.options.max_tokens = 20;
  std::vector<Sequence> sequences;
  for (const Request& request : {failing, good})
    sequences.push_back(*Sequence::Create(request, engine_->limits(), engine_->MakePages()));
  std::vector<Sequence*> running = {&sequences[0], &sequences[1]};
  while (!sequences[1].finished()) ASSERT_TRUE(engine_->runner().Step(running).has_value());
  ASSERT_TRUE(sequences[0].error().has_value());
  EXPECT_TRUE(sequences[0].finished());
  EXPECT_THAT(sequences[0].error()->message, HasSubstr("no token is left to choose"));
  EXPECT_FALSE(sequences[1].error().has_value());
  EXPECT_EQ(sequences[1].TakeText(), Answer(good).text);
}

TEST_F(Guided, OptionsThatLeaveNoTokenAreAnErrorThatNamesTheGrammar) {
  Request request = MakeRequest({Kind::kChoices, {}, {"a"}}, 1);
  for (int32_t id = 0; id < static_cast<int32_t>(engine_->spec().vocab); ++id) {
    if (engine_->tokenizer()->Decode(std::span(&id, 1)) == "a") request.options.sampling.banned_tokens.push_back(id);
  }
  EngineSession session(*engine_);
  const Result<GenerateResult> result = session.Generate(std::move(request), {}, nullptr);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("the grammar, "));
}

TEST_F(Guided, AFormThatOnlyTheEmptyTextFitsNeedsNoToken) {
  const GenerateResult result = Answer(MakeRequest({Kind::kRegex, ""}, 1));
  EXPECT_EQ(result.text, "");
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
}

TEST_F(Guided, AGrammarThatWasUsedIsNotCompiledAgain) {
  const auto first = engine_->grammars().Compile({Kind::kRegex, "a+"});
  const auto second = engine_->grammars().Compile({Kind::kRegex, "a+"});
  const auto other = engine_->grammars().Compile({Kind::kChoices, {}, {"a+"}});
  ASSERT_TRUE(first && second && other);
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *other);
  EXPECT_EQ(engine_->grammars().kept(), 2u);
}

TEST_F(Guided, GrammarsUsedLongAgoAreDroppedFirst) {
  GrammarCompiler compiler(engine_->tokenizer(), engine_->spec().vocab, /*kept_bytes=*/1);
  const auto first = compiler.Compile({Kind::kRegex, "a"});
  const auto second = compiler.Compile({Kind::kRegex, "b"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(compiler.kept(), 1u);
  EXPECT_EQ(*compiler.Compile({Kind::kRegex, "b"}), *second);
}

}  // namespace
}  // namespace octet
