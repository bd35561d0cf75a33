#include "base/json.h"

#include <gtest/gtest.h>

#include "base/json_text.h"

namespace octet {
namespace {

std::string MessageOf(std::string_view text) {
  const Result<Json> json = ParseJson(text, "file");
  return json ? Dump(*json) : json.error().message;
}

TEST(ReadingJson, KeepsTypesAndTheOrderOfKeys) {
  const std::string text = R"({"z":[1,-2,1.5,18446744073709551615],"a":{"b":null,"c":true},"m":"é\n","e":[],"o":{}})";
  EXPECT_EQ(MessageOf(text),
            R"({"z":[1,-2,1.5,18446744073709551615],"a":{"b":null,"c":true},"m":"é\n","e":[],"o":{}})");
  EXPECT_EQ(MessageOf("7"), "7");
}

TEST(ReadingJson, OfAKeyThatComesTwiceTheLastValueCounts) {
  EXPECT_EQ(MessageOf(R"({"a":1,"b":{"c":1,"c":[2]},"a":3,"a":{"d":4}})"), R"({"a":{"d":4},"b":{"c":[2]}})");
}

TEST(ReadingJson, LevelsAreCountedAndTextMustBeWhole) {
  const auto nested = [](size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_EQ(MessageOf(nested(128)), nested(128));
  EXPECT_EQ(MessageOf(nested(129)), "file: JSON is nested deeper than 128 levels");
  EXPECT_EQ(MessageOf(std::string(1'000'000, '[')), "file: JSON is nested deeper than 128 levels");
  for (const char* text : {"", "{", "[1,]", "{} {}", "\"\xff\"", "{\"a\":1e999}"})
    EXPECT_EQ(MessageOf(text).substr(0, 16), "file: not JSON: ") << text;
}

TEST(ReadingJson, AFaultIsToldWithItsPlaceAndWithoutItsNumberInTheLibrary) {
  EXPECT_EQ(MessageOf("{\n \"a\": [1,]}").substr(0, 56), "file: not JSON: parse error at line 2, column 10: syntax");
  EXPECT_EQ(MessageOf("[1e999]"), "file: not JSON: number overflow parsing '1e999'");
}

// A search for each key among those before it would take minutes here, and the test would be stopped.
TEST(ReadingJson, AnObjectOfManyMembersIsReadInOnePass) {
  std::string text = "{";
  for (int i = 0; i < 400'000; ++i) text += Cat(i == 0 ? "" : ",", "\"model.layers.", i, "\":", i);
  const Result<Json> json = ParseJson(text + "}", "file");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->size(), 400'000u);
  EXPECT_EQ(json->back(), 399'999);
}

TEST(WritingJson, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(Dump({{"path", "m\xffx"}}), "{\"path\":\"m\uFFFDx\"}");
  EXPECT_EQ(Dump(Json::array({"\xc3"}), 1), "[\n \"\uFFFD\"\n]");
}

}  // namespace
}  // namespace octet
