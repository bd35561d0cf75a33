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
