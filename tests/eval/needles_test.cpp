#include "eval/needles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/prompt_tokens.h"
#include "tests/models/golden_model.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class Needles : public testing::Test {
 protected:
  NeedleTest Make(const NeedleOptions& options) const { return Must(MakeNeedleTest(tokenizer_, options)); }
  size_t Count(const std::string& prompt) const { return PromptTokens(tokenizer_, prompt).size(); }

  Tokenizer tokenizer_ = Must(OpenTokenizer(GoldenModel("smollm2")));
};

TEST_F(Needles, TheSameArgumentsMakeTheSameTextAndOthersAnother) {
  const NeedleOptions options{.length = 2000, .trial = 1, .seed = 3};
  EXPECT_EQ(NeedlePrompt(Make(options), 50), NeedlePrompt(Make(options), 50));
  EXPECT_NE(NeedlePrompt(Make(options), 50), NeedlePrompt(Make({.length = 2000, .trial = 2, .seed = 3}), 50));
  EXPECT_NE(NeedlePrompt(Make(options), 50), NeedlePrompt(Make({.length = 2000, .trial = 1, .seed = 4}), 50));
  EXPECT_EQ(NeedlePrompt(Make({.length = 700, .trial = 0, .seed = 0}), 0).substr(0, 140),
            "Somewhere in this text a secret number is told.\n\nThe secret number of Felix is 90097. The early lamp "
            "followed the old clock. The heavy teach");
}

TEST_F(Needles, ThePromptFillsTheLengthAndLeavesRoomForTheAnswer) {
  for (const size_t length : {500, 1000, 4000}) {
    const NeedleTest test = Make({.length = length});
    for (const size_t depth : {0, 33, 50, 100}) {
      for (const bool as_chat : {false, true}) {
        const size_t tokens = Count(NeedlePrompt(test, depth, as_chat));
        EXPECT_LE(tokens + kNeedleAnswerTokens, length) << depth;
        EXPECT_GE(tokens + kNeedleAnswerTokens + 120, length) << depth;
      }
    }
  }
}

TEST_F(Needles, TheNeedleStandsOnceAtItsDepth) {
  const NeedleTest test = Make({.length = 2000});
  for (const size_t depth : {0, 50, 100}) {
    const std::string prompt = NeedlePrompt(test, depth);
    const size_t at = prompt.find(test.number);
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(prompt.find(test.number, at + 1), std::string::npos);
    EXPECT_NEAR(static_cast<double>(at) / static_cast<double>(prompt.size()), static_cast<double>(depth) / 100, 0.08);
    EXPECT_THAT(prompt, EndsWith(Cat("The secret number of ", test.name, " is")));
  }
  EXPECT_THAT(NeedlePrompt(test, 50, true), EndsWith("Answer with the number alone."));
}

TEST_F(Needles, ALengthWithoutRoomIsRefused) {
  const Result<NeedleTest> test = MakeNeedleTest(tokenizer_, {.length = 40});
  ASSERT_FALSE(test.has_value());
  EXPECT_THAT(test.error().message, HasSubstr("a length of 40 tokens has no room for text around the needle"));
}

TEST(FirstNumberOfAText, IsItsFirstRunOfDigits) {
  EXPECT_EQ(FirstNumber(" 48219."), "48219");
  EXPECT_EQ(FirstNumber("It is 48,219, or 5"), "48219");
  EXPECT_EQ(FirstNumber("48219, 7"), "48219");
  EXPECT_EQ(FirstNumber("1,"), "1");
  EXPECT_EQ(FirstNumber("none"), "");
  EXPECT_EQ(FirstNumber(""), "");
}

}  // namespace
}  // namespace octet
