// A sequence without a model: the logits come from the test.
#include "engine/sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/generation_defaults.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kFewTokens = 8;

class SequenceTest : public testing::Test {
 protected:
  Result<Sequence> Make(size_t prompt, GenerateOptions options, size_t cached = 0) {
    Request request;
    for (size_t i = 0; i < prompt; ++i) request.prompt.push_back(static_cast<int32_t>(i % kFewTokens));
    request.options = std::move(options);
    PageTable pages(pool_, context_);
    EXPECT_TRUE(pages.Cover(cached).has_value());
    const SequenceLimits limits{
        .context = context_, .vocab = kFewTokens, .end_tokens = end_tokens_, .tokenizer = nullptr};
    return Sequence::Create(std::move(request), limits, std::move(pages), cached);
  }

  // Lets the sequence choose `token` next.
  static Status Choose(Sequence& sequence, int32_t token) {
    std::vector<float> logits(kFewTokens);
    logits[static_cast<size_t>(token)] = 1;
    const Decoder::Run run = OCTET_TRY(sequence.NextRun(1000));
    return sequence.Advance(run, logits.data());
  }

  size_t context_ = 100;
  std::vector<int32_t> end_tokens_ = {7};
  PagePool pool_ = *PagePool::Create(64, 8);
};

TEST_F(SequenceTest, PromptIsCutIntoRunsAndOnlyTheLastWantsLogits) {
  Result<Sequence> sequence = Make(50, {});
  size_t position = 0;
  for (const size_t count : {20, 20, 10}) {
    const Result<Decoder::Run> run = sequence->NextRun(20);
    ASSERT_TRUE(run.has_value());
    EXPECT_EQ(run->first_position, position);
    EXPECT_EQ(run->tokens.size(), count);
    EXPECT_EQ(run->tokens[0], static_cast<int32_t>(position % kFewTokens));
    EXPECT_EQ(run->logits_from, position == 40 ? count - 1 : count);
    EXPECT_GE(run->pages.size(), nn::KvLayout::PagesFor(position + count));
    EXPECT_EQ(run->prompt_length, 50u);
    const std::vector<float> logits(kFewTokens);
    ASSERT_TRUE(sequence->Advance(*run, logits.data()).has_value());
    position += count;
  }
  EXPECT_EQ(sequence->generated().size(), 1u);
  const Result<Decoder::Run> next = sequence->NextRun(20);
  EXPECT_EQ(next->first_position, 50u);
  EXPECT_THAT(next->tokens, ElementsAre(0));
  EXPECT_EQ(next->logits_from, 0u);
}

TEST_F(SequenceTest, EndTokensStopTokensAndLengthEndIt) {
  Result<Sequence> ended = Make(3, {});
  ASSERT_TRUE(Choose(*ended, 1).has_value());
  EXPECT_FALSE(ended->finished());
  ASSERT_TRUE(Choose(*ended, 7).has_value());
  EXPECT_EQ(ended->finish_reason(), FinishReason::kStop);
  EXPECT_THAT(ended->tokens(), ElementsAre(0, 1, 2, 1, 7));

  Result<Sequence> ignoring = Make(3, {.max_tokens = 2, .ignore_eos = true});
  ASSERT_TRUE(Choose(*ignoring, 7).has_value());
  EXPECT_FALSE(ignoring->finished());
  ASSERT_TRUE(Choose(*ignoring, 7).has_value());
  EXPECT_EQ(ignoring->finish_reason(), FinishReason::kLength);

  Result<Sequence> stopping = Make(3, {.stop_tokens = {4}});
  ASSERT_TRUE(Choose(*stopping, 4).has_value());
  EXPECT_EQ(stopping->finish_reason(), FinishReason::kStop);
}

TEST_F(SequenceTest, TheContextsEndIsALengthAndLastsForEveryToken) {
  Result<Sequence> sequence = Make(97, {});
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(sequence->finished());
    ASSERT_TRUE(Choose(*sequence, 1).has_value());
  }
  EXPECT_EQ(sequence->finish_reason(), FinishReason::kLength);
  EXPECT_EQ(sequence->tokens().size(), 100u);
}

TEST_F(SequenceTest, PromptBeyondTheContextIsRefusedWithBothNumbers) {
  const Result<Sequence> sequence = Make(100, {});
  ASSERT_FALSE(sequence.has_value());
  EXPECT_EQ(sequence.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(sequence.error().message, HasSubstr("the prompt has 100 tokens, the context has room for 100"));
  EXPECT_TRUE(Make(99, {}).has_value());
}

TEST_F(SequenceTest, WhatCantWorkIsRefused) {
  EXPECT_THAT(Make(0, {}).error().message, HasSubstr("the prompt has no tokens"));
  EXPECT_THAT(Make(1, {.stop = {""}}).error().message, HasSubstr("a stop string is empty"));
  EXPECT_THAT(Make(1, {.stop = {"x"}}).error().message, HasSubstr("stop strings need a tokenizer"));
  EXPECT_THAT(Make(1, {.sampling = {.min_tokens = 4}, .max_tokens = 3}).error().message,
              HasSubstr("min_tokens is 4, more than max_tokens, which is 3"));
  EXPECT_THAT(Make(1, {.stop = {"x", "ab\xC3"}}).error().message, HasSubstr("a stop string is not UTF-8: byte 2 of 3"));
  EXPECT_THAT(Make(1, {.stop_tokens = {8}}).error().message, HasSubstr("stop_tokens names token 8"));
}

TEST_F(SequenceTest, CachedTokensAreNotComputedAgain) {
  Result<Sequence> sequence = Make(40, {}, 33);
  const Result<Decoder::Run> run = sequence->NextRun(1000);
  EXPECT_EQ(run->first_position, 33u);
  EXPECT_EQ(run->tokens.size(), 7u);
}

TEST_F(SequenceTest, AFullCacheIsExhausted) {
  context_ = 1000;
  Result<Sequence> sequence = Make(32 * 8 + 1, {});
  const Result<Decoder::Run> run = sequence->NextRun(1000);
  ASSERT_FALSE(run.has_value());
  EXPECT_EQ(run.error().code, ErrorCode::kExhausted);
}

TEST_F(SequenceTest, NoTokensWantedMeansNoneMade) {
  const Result<Sequence> sequence = Make(3, {.max_tokens = 0});
  EXPECT_EQ(sequence->finish_reason(), FinishReason::kLength);
}

ModelSpec SmallSpec() {
  ModelSpec spec;
  spec.vocab = 100;
  spec.eos_ids = {2};
  return spec;
}

TEST(GenerationDefaults, TemperatureIsTheFilesUnlessSamplingIsOff) {
  const auto read = [](std::string_view text) {
    return *ReadGenerationDefaults(*ParseJson(text, "test"), SmallSpec(), "generation_config.json");
  };
  EXPECT_EQ(read(R"({"temperature": 0.5, "top_p": 0.75, "top_k": 20})").sampling.temperature, 0.5F);
  EXPECT_EQ(read(R"({"temperature": 0.5, "do_sample": false})").sampling.temperature, 0);
  EXPECT_EQ(read(R"({"do_sample": true, "top_k": -1})").sampling.top_k, 0);
  EXPECT_EQ(read("null").sampling.temperature, 0);
  EXPECT_THAT(read(R"({"eos_token_id": [5, 2, 1000]})").end_tokens, ElementsAre(5, 2));
  EXPECT_THAT(read("{}").end_tokens, ElementsAre(2));
}

TEST(GenerationDefaults, BadWordsAreBannedButForEndTokensAndThoseThatCantBeSaid) {
  const Json config =
      *ParseJson(R"({"eos_token_id": 5, "bad_words_ids": [[7], [5], [7, 8], [5, 2, 9], [3, 1000]]})", "t");
  const GenerationDefaults defaults = *ReadGenerationDefaults(config, SmallSpec(), "generation_config.json");
  EXPECT_THAT(defaults.sampling.banned_tokens, ElementsAre(7));
  EXPECT_THAT(defaults.sampling.banned_sequences, ElementsAre(ElementsAre(7, 8), ElementsAre(5, 2, 9)));
}

TEST(GenerationDefaults, ValuesThatCantBeAreCorruptAndNamed) {
  const auto message = [](std::string_view text) {
    return ReadGenerationDefaults(*ParseJson(text, "test"), SmallSpec(), "generation_config.json").error().message;
  };
  EXPECT_EQ(message(R"({"temperature": -1})"), "generation_config.json: temperature is -1, allowed is 0 to 100");
  EXPECT_EQ(message(R"({"top_k": "all"})"), "generation_config.json: `top_k` is string, a number is expected");
  EXPECT_EQ(message(R"({"top_k": 2.5})"), "generation_config.json: `top_k` is 2.5, expected an integer");
  EXPECT_EQ(message(R"({"eos_token_id": "x"})"),
            "generation_config.json: `eos_token_id` holds string, integers are expected");
  EXPECT_EQ(message(R"({"bad_words_ids": [7]})"),
            "generation_config.json: `bad_words_ids` holds number of 1, lists of 1 to 1024 tokens are expected");
  EXPECT_EQ(message(R"({"bad_words_ids": [["a"]]})"),
            "generation_config.json: `bad_words_ids` holds string, integers are expected");
  EXPECT_EQ(
      message(R"({"bad_words_ids": {}})"),
      "generation_config.json: `bad_words_ids` is object of 0, a list of up to 100000 lists of tokens is expected");
}

}  // namespace
}  // namespace octet
