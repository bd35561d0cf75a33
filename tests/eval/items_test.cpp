#include "eval/items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Items : public testing::Test {
 protected:
  Result<std::vector<ChoiceItem>> Choices(std::string_view content) {
    return ReadChoiceItems(directory_.Write("items.jsonl", content));
  }
  std::string Refusal(std::string_view content) {
    const Result<std::vector<ChoiceItem>> items = Choices(content);
    return items ? "no refusal" : items.error().message;
  }
  TemporaryDirectory directory_;
};

TEST_F(Items, AnAnswerIsAnIndexOrAText) {
  const std::vector<ChoiceItem> items = Choices(R"({"question": "a", "choices": ["x", "y"], "answer": 1}
{"question": "b", "choices": ["x", "y", "z"], "answer": "z", "source": "me"})")
                                            .value();
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].answer, 1u);
  EXPECT_EQ(items[1].answer, 2u);
  EXPECT_THAT(items[1].choices, ElementsAre("x", "y", "z"));
}

TEST_F(Items, WhatIsNoItemIsRefusedWithItsLine) {
  EXPECT_THAT(Refusal(""), HasSubstr("items.jsonl: holds no items"));
  EXPECT_THAT(Refusal("\n[]"), HasSubstr("line 2"));
  EXPECT_THAT(Refusal(R"({"choices": ["x", "y"], "answer": 1})"), HasSubstr("line 1: `question`"));
  EXPECT_THAT(Refusal(R"({"question": "a", "answer": 1})"), HasSubstr("line 1: `choices` is no list"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x"], "answer": 0})"), HasSubstr("has 1 choice, 2 or more"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", ""], "answer": 0})"), HasSubstr("a choice is empty"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", 7], "answer": 0})"), HasSubstr("that is no text"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", "y"], "answer": 2})"),
              HasSubstr("none of the choices 0 .. 1"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", "y"], "answer": -1})"), HasSubstr("the answer -1 is none"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", "y"], "answer": "z"})"), HasSubstr("`z` is none of the 2"));
  EXPECT_THAT(Refusal(R"({"question": "a", "choices": ["x", "y"]})"), HasSubstr("`answer`"));
}

TEST_F(Items, FreeAnswersAreATextOrAList) {
  const std::filesystem::path path = directory_.Write("answers.jsonl", R"({"question": "a", "answer": "x"}
{"question": "b", "answer": ["y", "z"]})");
  const std::vector<AnswerItem> items = ReadAnswerItems(path).value();
  EXPECT_THAT(items[0].answers, ElementsAre("x"));
  EXPECT_THAT(items[1].answers, ElementsAre("y", "z"));
  EXPECT_FALSE(ReadAnswerItems(directory_.Write("none.jsonl", R"({"question": "a", "answer": []})")).has_value());
}

TEST_F(Items, ExamplesStandSolvedBeforeTheQuestion) {
  const std::vector<ChoiceItem> items = {{.question = "1+1=", .choices = {"3", "2"}, .answer = 1},
                                         {.question = "2+2=", .choices = {"4", "5"}, .answer = 0}};
  const PromptFrame frame{.description = "Sums. ", .delimiter = "_", .examples = ExamplesOf(items, 2).value()};
  EXPECT_EQ(MakePrompt(frame, "3+3="), "Sums. 1+1=_2\n\n2+2=_4\n\n3+3=");
  EXPECT_THAT(ExamplesOf(items, 3).error().message, HasSubstr("the file has 2 examples, 3 are wanted"));
}

}  // namespace
}  // namespace octet
