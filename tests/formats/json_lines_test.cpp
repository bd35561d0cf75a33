#include "formats/json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_directory.h"

namespace octet {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(JsonLinesFile, ValuesComeLineByLineAndBlankLinesAreNone) {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.Write("a.jsonl", "\xEF\xBB\xBF{\"a\": 1}\r\n\n \t\n[2]\n\n");
  JsonLines lines = JsonLines::Open(path).value();
  EXPECT_EQ(lines.Next().value(), Json({{"a", 1}}));
  EXPECT_THAT(lines.where(), EndsWith("a.jsonl: line 1"));
  EXPECT_EQ(lines.Next().value(), Json::array({2}));
  EXPECT_THAT(lines.where(), EndsWith("a.jsonl: line 4"));
  EXPECT_EQ(lines.Next().value(), std::nullopt);
  EXPECT_EQ(lines.Next().value(), std::nullopt);
}

TEST(JsonLinesFile, ALineThatIsNoJsonIsNamed) {
  const TemporaryDirectory directory;
  JsonLines lines = JsonLines::Open(directory.Write("a.jsonl", "1\n2\n{\"a\":")).value();
  EXPECT_TRUE(lines.Next().has_value() && lines.Next().has_value());
  const Result<std::optional<Json>> bad = lines.Next();
  ASSERT_FALSE(bad.has_value());
  EXPECT_THAT(bad.error().message, HasSubstr("a.jsonl: line 3: "));
}

TEST(JsonLinesFile, AnEmptyFileHasNoValuesAndAMissingOneIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_EQ(JsonLines::Open(directory.Write("a.jsonl", ""))->Next().value(), std::nullopt);
  EXPECT_EQ(JsonLines::Open(directory / "b.jsonl").error().code, ErrorCode::kNotFound);
}

TEST(JsonLinesFile, ALineOfGigabytesIsRefusedWithoutReadingIt) {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.Write("a.jsonl", "1\n");
  std::filesystem::resize_file(path, uint64_t{2} << 30);  // a hole, that takes no room on the disk
  JsonLines lines = JsonLines::Open(path).value();
  EXPECT_TRUE(lines.Next().has_value());
  EXPECT_THAT(lines.Next().error().message, HasSubstr("line 2: has more than 16777216 bytes"));
}

}  // namespace
}  // namespace octet
