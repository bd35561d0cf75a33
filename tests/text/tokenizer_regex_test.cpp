#include "text/regex.h"

#include <gtest/gtest.h>

#include <vector>

#include "text/pattern_scanner.h"

namespace octet {
namespace {

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::Compile(pattern, "test");
  EXPECT_TRUE(regex.has_value()) << regex.error().message;
  std::vector<std::string> found;
  regex->ForEachMatch(text, [&](size_t begin, size_t end) { found.emplace_back(text.substr(begin, end - begin)); });
  return found;
}

TEST(Regex, ClassesAreThoseOfUnicode) {
  EXPECT_EQ(Matches("\\s+", "a\u0085\u3000b\u180Ec"), (std::vector<std::string>{"\u0085\u3000"}));
  EXPECT_EQ(Matches("\\d", "1\u0663\u00BD"), (std::vector<std::string>{"1", "\u0663"}));
  EXPECT_EQ(Matches("[aeiou]+\\b", "ao\u0301 io"), (std::vector<std::string>{"io"}));
  EXPECT_EQ(Matches("^.", "ab\ncd"), (std::vector<std::string>{"a", "c"}));
}

// What the `tokenizers` package matches, which reads patterns by Oniguruma.
TEST(Regex, PosixClassesAreOnigurumas) {
  EXPECT_EQ(Matches("[[:alpha:]]+", "\u0939\u093F1a"), (std::vector<std::string>{"\u0939\u093F", "a"}));
  EXPECT_EQ(Matches("[^[:space:]]+", "a\u180Eb c"), (std::vector<std::string>{"a\u180Eb", "c"}));
  EXPECT_EQ(Matches("[[:^space:]]+", "a\u180Eb c"), (std::vector<std::string>{"a\u180Eb", "c"}));
  EXPECT_EQ(Matches("[[:punct:]]", "\u00A2.a"), (std::vector<std::string>{"\u00A2", "."}));
  EXPECT_EQ(Matches("[^\\w\\s]|\\W", "\u00BDa!"), (std::vector<std::string>{"\u00BD", "!"}));
  EXPECT_EQ(Matches("\\w", "\u00BD!"), (std::vector<std::string>{"\u00BD"}));
  EXPECT_EQ(Matches("[[:word:]x]+", "a\u00B2x_1"), (std::vector<std::string>{"a", "x_1"}));
  const Result<Regex> regex = Regex::Compile("[[:^alnum:]]", "test");
  ASSERT_FALSE(regex.has_value());
  EXPECT_EQ(regex.error().message, "test: pattern `[[:^alnum:]]`: the class `[:^alnum:]` is unknown to this build");
}

TEST(Regex, IntersectionOfClassesIsRefused) { EXPECT_FALSE(Regex::Compile("[a-z&&[^b]]", "test").has_value()); }

// Cuts that the scanner makes against those of its own expression.
TEST(PatternScanner, CutsWhereItsExpressionCuts) {
  const std::string_view text =
      "I'm HE'LL \u017Fx 'S 12345 caf\u00E9 \u00E9T\u00C9a ABCdef\u4E2D\u6587 \u01C5a\u0301 !!\r\n\n  x\t\t\n /a// "
      "\u00A0\u2003b \u0661\u0662 \U0001F600 ";
  const std::string llama3 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  for (const std::string_view pattern : {kGpt2Pattern, std::string_view(llama3)}) {
    const PatternScanner scan = FindPatternScanner(pattern);
    ASSERT_NE(scan, nullptr);
    std::vector<std::string> cuts;
    const CharClasses classes;
    for (size_t at = 0; at < text.size();) {
      const size_t end = scan(text, at, classes);
      ASSERT_GT(end, at);
      cuts.emplace_back(text.substr(at, end - at));
      at = end;
    }
    EXPECT_EQ(cuts, Matches(pattern, text)) << pattern;
  }
}

}  // namespace
}  // namespace octet
