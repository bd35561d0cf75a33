// What is guessed: n-grams of the text so far, and tokens of a text that is forced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/speculate/forced_text.h"
#include "engine/speculate/ngram_drafter.h"
#include "tests/models/golden_model.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int32_t> Lookup(std::vector<int32_t> tokens, size_t most, size_t most_of_drafter = 16) {
  NgramDrafter drafter(most_of_drafter);
  std::vector<int32_t> draft;
  drafter.Propose(tokens, most, draft);
  return draft;
}

TEST(NgramDrafter, GuessesWhatFollowedTheSameTokensBefore) {
  EXPECT_THAT(Lookup({1, 2, 3, 4, 5, 6, 9, 1, 2, 3}, 3), ElementsAre(4, 5, 6));
  EXPECT_THAT(Lookup({1, 2, 3, 4, 5, 6, 9, 1, 2, 3}, 16, 2), ElementsAre(4, 5));
}

TEST(NgramDrafter, ThreeEqualTokensCountForMoreThanTwoThatAreLater) {
  EXPECT_THAT(Lookup({1, 2, 3, 4, 8, 2, 3, 5, 1, 2, 3}, 1), ElementsAre(4));
  EXPECT_THAT(Lookup({7, 2, 3, 4, 8, 2, 3, 5, 1, 2, 3}, 1), ElementsAre(5)) << "of two the latest";
}

TEST(NgramDrafter, GoesOnFromItsOwnGuessWhereTheTextRepeatsItself) {
  EXPECT_THAT(Lookup({5, 6, 5, 6, 5}, 5), ElementsAre(6, 5, 6, 5, 6));
}

TEST(NgramDrafter, GuessesNothingWhereNothingIsRepeated) {
  EXPECT_THAT(Lookup({1, 2, 3, 4, 5, 6}, 4), IsEmpty());
  EXPECT_THAT(Lookup({1, 9, 2, 9}, 4), IsEmpty()) << "one token is too few";
  EXPECT_THAT(Lookup({1}, 4), IsEmpty());
  EXPECT_THAT(Lookup({1, 2, 1, 2}, 0), IsEmpty());
}

class DraftedText : public testing::Test {
 protected:
  std::vector<int32_t> Draft(const std::string& model, std::string_view text, size_t most) {
    const Tokenizer tokenizer = Must(OpenTokenizer(GoldenModel(model)));
    const auto table = Must(grammar::TokenTable::Make(tokenizer, tokenizer.vocab_size()));
    std::vector<int32_t> draft = {-7};  // what is there stays
    DraftText(text, tokenizer, *table, most, draft);
    EXPECT_EQ(draft.front(), -7);
    draft.erase(draft.begin());
    spelt_.clear();
    for (const int32_t token : draft) spelt_ += table->Bytes(token);
    encoded_ = tokenizer.Encode(text, {.add_special = false, .parse_special = false});
    return draft;
  }

  std::string spelt_;
  std::vector<int32_t> encoded_;
};

TEST_F(DraftedText, IsWrittenAsTheTokenizerWritesIt) {
  EXPECT_EQ(Draft("smollm2", "the_king and the sea", 100), encoded_);
  EXPECT_EQ(Draft("smollm2", "the_king and the sea", 3), std::vector<int32_t>(encoded_.begin(), encoded_.begin() + 3));
  EXPECT_THAT(Draft("smollm2", "", 3), IsEmpty());
}

TEST_F(DraftedText, SpellsTheTextWhereTheTokenizerPutsASpaceBeforeIt) {
  const std::vector<int32_t> draft = Draft("../tokenizers/llama2", "the_king", 100);
  EXPECT_NE(draft, encoded_);
  EXPECT_EQ(spelt_, "the_king");
}

TEST_F(DraftedText, MayBeginAndEndInsideACharacter) {
  const std::string sign = "\xE2\x82\xAC";
  for (const auto& [from, size] : {std::pair<size_t, size_t>{1, 5}, {0, 4}, {2, 2}}) {
    const std::string text = (sign + "a" + sign).substr(from, size);
    EXPECT_FALSE(Draft("smollm2", text, 100).empty());
    EXPECT_EQ(spelt_, text);
  }
}

TEST_F(DraftedText, IsNoLongerThanWanted) { EXPECT_EQ(Draft("smollm2", std::string(100000, 'z'), 32).size(), 32u); }

}  // namespace
}  // namespace octet
