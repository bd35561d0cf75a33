#include "eval/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/prompt_tokens.h"
#include "tests/models/golden_model.h"

namespace octet {
namespace {

using testing::HasSubstr;

bool IsOne(std::string_view text, const std::vector<std::string>& answers, const AnswerMatching& matching = {}) {
  return IsRight(text, answers, matching);
}

TEST(Answers, AnAnswerIsRightWhereItIsOneOfThoseWanted) {
  EXPECT_TRUE(IsOne("Paris", {"Paris"}));
  EXPECT_TRUE(IsOne("Lutetia", {"Paris", "Lutetia"}));
  EXPECT_FALSE(IsOne("Paris, France", {"Paris"}));
  EXPECT_FALSE(IsOne("paris", {"Paris"}));
  EXPECT_FALSE(IsOne("", {"Paris"}));
}

TEST(Answers, WhiteSpaceAroundDoesNotCount) {
  EXPECT_TRUE(IsOne(" \n\xC2\xA0Paris\t", {"Paris "}));
  EXPECT_FALSE(IsOne("New  York", {"New York"}));
}

TEST(Answers, CasePunctuationAndDigitsCountUnlessTold) {
  EXPECT_TRUE(
      IsOne("\xC3\x89"
            "COLE",
            {"\xC3\xA9"
             "cole"},
            {.ignore_case = true}));
  EXPECT_TRUE(IsOne("It's so.", {"Its so"}, {.ignore_punctuation = true}));
  EXPECT_TRUE(IsOne("a1b", {"a2b"}, {.ignore_numbers = true}));
  EXPECT_FALSE(IsOne("a1b", {"a2b"}, {.ignore_case = true, .ignore_punctuation = true}));
  EXPECT_TRUE(IsOne("so .", {"so"}, {.ignore_punctuation = true})) << "what is left is cut at its end";
}

class AskedModel : public testing::Test {
 protected:
  std::unique_ptr<Engine> engine_ = Must(Engine::Open(GoldenModel("smollm2"), {.threads = 2}));
  CancelFlag cancel_;
};

TEST_F(AskedModel, PromptsThatBeginEquallyAreAnsweredAsAlone) {
  EngineSession session(*engine_);
  for (const char* question : {"one two three", "one two four", "one"}) {
    const std::vector<int32_t> prompt = Must(AnswerPrompt(*engine_, question, false));
    EngineSession alone(*engine_);
    EXPECT_EQ(Must(AskFor(session, prompt, {.max_tokens = 8}, cancel_)).text,
              Must(AskFor(alone, prompt, {.max_tokens = 8}, cancel_)).text);
  }
}

TEST_F(AskedModel, TheAnswerEndsBeforeTheFirstOfTheTexts) {
  EngineSession session(*engine_);
  const std::vector<int32_t> prompt = Must(AnswerPrompt(*engine_, "one", false));
  const std::string whole = Must(AskFor(session, prompt, {.max_tokens = 12}, cancel_)).text;
  ASSERT_GE(whole.size(), 4u);
  const std::string until = whole.substr(2, 2);
  EXPECT_EQ(Must(AskFor(session, prompt, {.until = {until}, .max_tokens = 12}, cancel_)).text,
            whole.substr(0, whole.find(until)));
}

TEST_F(AskedModel, ACancelledAnswerIsNone) {
  cancel_.Request();
  EngineSession session(*engine_);
  const Result<GivenAnswer> answer = AskFor(session, {1, 2, 3}, {}, cancel_);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kCancelled);
}

TEST_F(AskedModel, AChatIsPutTogetherByTheTemplate) {
  const std::vector<int32_t> plain = Must(AnswerPrompt(*engine_, "Hi", false));
  const std::vector<int32_t> chat = Must(AnswerPrompt(*engine_, "Hi", true));
  EXPECT_GT(chat.size(), plain.size());
  EXPECT_EQ(chat.front(), engine_->tokenizer()->TokenId("<|start|>"));
  EXPECT_THAT(AnswerPrompt(*engine_, "", false).error().message, HasSubstr("the question is empty"));
}

TEST(PromptTokensOfATest, KeepLastTakesFromTheBeginning) {
  std::vector<int32_t> tokens = {1, 2, 3};
  EXPECT_FALSE(KeepLast(3, tokens));
  EXPECT_TRUE(KeepLast(2, tokens));
  EXPECT_THAT(tokens, testing::ElementsAre(2, 3));
}

}  // namespace
}  // namespace octet
