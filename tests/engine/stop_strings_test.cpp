#include "engine/sample/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace octet {
namespace {

// By definition: the stop whose end comes first, and of those the longest, cuts the text.
std::string CutByDefinition(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0)
        longest = std::max(longest, stop.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

TEST(StopStrings, AnyCutOfTheTextGivesWhatTheDefinitionGives) {
  std::mt19937 random(3);
  const auto letters = [&](size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + random() % 3; ++i) stops.push_back(letters(1 + random() % 5));
    const std::string text = letters(random() % 24);
    const std::string want = CutByDefinition(text, stops);
    StopStrings matcher(stops);
    std::string got;
    for (size_t at = 0; at < text.size() && !matcher.matched();) {
      const size_t step = 1 + random() % 4;
      got += matcher.Push(std::string_view(text).substr(at, step));
      ASSERT_TRUE(want.starts_with(got)) << "left too early: " << got << " of " << want;
      at += step;
    }
    got += matcher.Finish();
    ASSERT_EQ(got, want) << text;
    ASSERT_EQ(matcher.matched().has_value(), want != text || CutByDefinition(text + "#", stops) != text + "#");
  }
}

TEST(StopStrings, HoldsBackOnlyWhatAStopCouldBeginWith) {
  StopStrings stops({"###"});
  EXPECT_EQ(stops.Push("one # two #"), "one # two ");
  EXPECT_EQ(stops.Push("#"), "");
  EXPECT_EQ(stops.Push(" three"), "## three");
  EXPECT_EQ(stops.Push("##"), "");
  EXPECT_EQ(stops.Finish(), "##");
}

TEST(StopStrings, SaysWhichStopMatched) {
  StopStrings stops({"never", "END"});
  EXPECT_EQ(stops.Push("the ENDing"), "the ");
  EXPECT_EQ(stops.matched(), 1u);
  EXPECT_EQ(stops.Push("more"), "");
  EXPECT_EQ(stops.Finish(), "");
}

}  // namespace
}  // namespace octet
