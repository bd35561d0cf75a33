#include "eval/choices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "eval/decoder_model.h"
#include "tests/models/golden_model.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Choices : public testing::Test {
 protected:
  std::vector<int32_t> Ids(std::string_view text) const { return tokenizer_.Encode(text, {.add_special = false}); }
  EncodedChoice Encode(std::string_view context, std::string_view delimiter, const std::string& choice,
                       size_t most = 100) const {
    return Must(Must(ChoiceEncoder::Make(tokenizer_, most)).Encode(context, delimiter, std::span(&choice, 1)))
        .choices.front();
  }

  Tokenizer tokenizer_ = Must(OpenTokenizer(GoldenModel("smollm2")));
  ThreadPool pool_{2};
  Progress progress_;
  CancelFlag cancel_;
  EvaluationRun run_{pool_, progress_, cancel_};
};

TEST_F(Choices, ContextAndChoiceAreTokenisedAsOneText) {
  const EncodedChoice choice = Encode("Answer:", " ", "yes");
  EXPECT_EQ(choice.tokens, Ids("Answer: yes"));
  EXPECT_EQ(choice.scored, Ids("Answer: yes").size() - Ids("Answer:").size());
}

TEST_F(Choices, WhiteSpaceThatEndsTheContextCountsToTheChoice) {
  const size_t behind = Ids("Answer: \n\xC2\xA0yes").size() - Ids("Answer:").size();
  EXPECT_EQ(Encode("Answer: \n\xC2\xA0", "", "yes").scored, behind);  // a no-break space is white, too
  EXPECT_EQ(Encode("Answer: ", "", "yes").scored, Encode("Answer:", " ", "yes").scored);
}

TEST_F(Choices, AnEmptyContextIsBos) {
  const int32_t bos = tokenizer_.bos().value();
  for (const std::string_view context : {"", "  "}) {
    const EncodedChoice choice = Encode(context, "", "yes");
    EXPECT_EQ(choice.tokens.front(), bos);
    EXPECT_EQ(choice.tokens.size(), choice.scored + 1);
  }
  EXPECT_EQ(Encode("", "", "<|start|>yes").tokens, Encode("", "", "yes").tokens) << "BOS isn't put there twice";
}

TEST_F(Choices, ATextThatIsTooLongLosesItsBeginning) {
  const EncodedChoice whole = Encode(std::string(400, 'a') + ":", " ", "yes", 1000);
  const std::string choice = "yes";
  const EncodedItem cut = Must(Must(ChoiceEncoder::Make(tokenizer_, whole.scored + 4))
                                   .Encode(std::string(400, 'a') + ":", " ", std::span(&choice, 1)));
  EXPECT_TRUE(cut.is_truncated);
  EXPECT_EQ(cut.choices[0].tokens.size(), whole.scored + 5) << "the last token is scored and not read";
  EXPECT_TRUE(std::equal(cut.choices[0].tokens.rbegin(), cut.choices[0].tokens.rend(), whole.tokens.rbegin()));
  const Result<EncodedItem> longer =
      Must(ChoiceEncoder::Make(tokenizer_, 1)).Encode("a", " ", std::vector<std::string>{"b", std::string(99, 'c')});
  ASSERT_FALSE(longer.has_value());
  EXPECT_THAT(longer.error().message, HasSubstr("tokens, 1 to 1 can be scored"));
}

// What the model before gave the logits of a position, it gives as log(weight) of the token.
class WeightedModel : public ScoringModel {
 public:
  size_t vocab_size() const override { return 4; }
  Status Read(std::span<const int32_t>, size_t) override { return {}; }
  Status Logits(size_t, size_t count, float* logits) override {
    for (size_t i = 0; i < count * 4; ++i) logits[i] = weights_[i % 4];
    return {};
  }
  std::array<float, 4> weights_ = {};
};

TEST_F(Choices, TheThreeWaysToChooseDivideByOneByCharactersAndByBytes) {
  WeightedModel model;
  model.weights_ = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  // Log-likelihoods -0.69, -1.20 and -1.90; per character -0.69, -0.60, -0.63; per byte -0.69, -0.60, -0.47.
  const ChoiceItem item{.question = "q", .choices = {"a", "bb", "\xC3\xA9\xC3\xA9z"}, .answer = 0};
  const ChoiceItem bytes{.question = "q", .choices = {"a", "bb", "\xE2\x82\xAC\xC3\xA9"}, .answer = 0};
  const EncodedItem encoded{.choices = {{{0, 0}, 1}, {{0, 1}, 1}, {{0, 2}, 1}}};
  ChoiceScores scores = Must(ScoreChoices(model, item, encoded, run_));
  EXPECT_NEAR(scores.log_likelihoods[1], std::log(0.3), 1e-6);
  EXPECT_EQ(scores.likeliest, 0u);
  EXPECT_EQ(scores.per_character, 1u);
  EXPECT_EQ(scores.per_byte, 2u);
  scores = Must(ScoreChoices(model, bytes, encoded, run_));
  EXPECT_EQ(scores.per_character, 1u);
  EXPECT_EQ(scores.per_byte, 2u);
}

TEST_F(Choices, TheFirstOfEqualsIsChosenAndNoNumberIsAnError) {
  WeightedModel model;
  const ChoiceItem item{.question = "q", .choices = {"a", "b"}, .answer = 1};
  const EncodedItem encoded{.choices = {{{0, 3}, 1}, {{0, 2}, 1}}};
  EXPECT_EQ(Must(ScoreChoices(model, item, encoded, run_)).likeliest, 0u);
  model.weights_[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(ScoreChoices(model, item, encoded, run_).error().message, HasSubstr("are no numbers"));
}

TEST_F(Choices, SharingWhatChoicesBeginWithChangesNoBit) {
  const std::vector<std::string> choices = {"yes", "no, never and nowhere", "yes, of course"};
  const std::string context = std::string(200, 'x') + " Is it so? Answer:";
  for (const char* name : {"smollm2", "qwen2", "llama3"}) {
    const std::unique_ptr<DecoderModel> shared = Must(DecoderModel::Open(GoldenModel(name), {.context = 1}, pool_));
    const EncodedItem item = Must(Must(ChoiceEncoder::Make(shared->tokenizer(), 500)).Encode(context, " ", choices));
    ASSERT_TRUE(shared->Reserve(500).has_value());
    const std::vector<double> together =
        Must(ScoreChoices(*shared, {.question = "", .choices = choices, .answer = 0}, item, run_)).log_likelihoods;
    for (size_t i = 0; i < choices.size(); ++i) {
      const std::unique_ptr<DecoderModel> alone = Must(DecoderModel::Open(GoldenModel(name), {.context = 500}, pool_));
      const ChoiceItem one{.question = "", .choices = {choices[i]}, .answer = 0};
      EXPECT_EQ(Must(ScoreChoices(*alone, one, {.choices = {item.choices[i]}}, run_)).log_likelihoods[0], together[i])
          << name << " " << choices[i];
    }
  }
}

TEST(AccuracyOfItems, IsTheShareWithItsStandardError) {
  Accuracy accuracy;
  EXPECT_EQ(accuracy.Share(), 0);
  EXPECT_EQ(accuracy.Error(), 0);
  for (int i = 0; i < 5; ++i) accuracy.Add(i < 4);
  EXPECT_DOUBLE_EQ(accuracy.Share(), 0.8);
  EXPECT_DOUBLE_EQ(accuracy.Error(), 0.2);
}

}  // namespace
}  // namespace octet
