#include "base/message.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

TEST(SafeMessage, PlainTextStaysWithItsLinesAndLetters) {
  EXPECT_EQ(SafeMessage("naïve: 3 Bücher,\n\t\xF0\x9F\x90\x99"), "naïve: 3 Bücher,\n\t\xF0\x9F\x90\x99");
}

TEST(SafeMessage, ControlCharactersAreEscaped) {
  EXPECT_EQ(SafeMessage("key \x1B[31mred\r\x07"), "key \\x1B[31mred\\x0D\\x07");
  EXPECT_EQ(SafeMessage(std::string_view("a\0b\x7F", 4)), "a\\x00b\\x7F");
  EXPECT_EQ(SafeMessage("\xC2\x9B"
                        "31m"),
            "\\xC2\\x9B31m");  // CSI as one C1 character
}

TEST(SafeMessage, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(SafeMessage("caf\xE9"), "caf\\xE9");
  EXPECT_EQ(SafeMessage("\xC0\xAF"), "\\xC0\\xAF");           // overlong
  EXPECT_EQ(SafeMessage("\xED\xA0\x80"), "\\xED\\xA0\\x80");  // half of a surrogate pair
  EXPECT_EQ(SafeMessage("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
  EXPECT_EQ(SafeMessage("\xF0\x9F\x90"), "\\xF0\\x9F\\x90");  // cut short
}

TEST(SafeMessage, LongTextKeepsHeadAndTail) {
  std::string text = "head: ";
  for (int i = 0; i < 100000; ++i) text += "\xC3\xA9";
  const std::string safe = SafeMessage(text + " :tail");
  EXPECT_LT(safe.size(), 4096u);
  EXPECT_TRUE(safe.starts_with("head: \xC3\xA9"));
  EXPECT_TRUE(safe.ends_with("\xC3\xA9 :tail"));
  EXPECT_EQ(safe.find("\\x"), std::string::npos);  // no letter was cut apart
  EXPECT_NE(safe.find("196012 bytes left out"), std::string::npos) << safe;
}

}  // namespace
}  // namespace octet
