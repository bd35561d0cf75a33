// Ids and texts of every tokenizer family against those of Hugging Face's package. tools/golden/make_tokenizers.py writes
// the files, and runs this test on many more of its own by way of OCTET_TOKENIZER_GOLDENS.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/mapped_file.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace octet {
namespace {

using Ids = std::vector<int32_t>;

std::filesystem::path Folder() {
  const char* other = std::getenv("OCTET_TOKENIZER_GOLDENS");
  return other != nullptr ? other : OCTET_SOURCE_DIR "/tests/golden/tokenizers";
}

std::string Stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  StreamDecoder stream(tokenizer, skip_special);
  std::string out;
  for (const int32_t id : ids) {
    const std::string part = stream.Push(id);
    EXPECT_TRUE(IsValidUtf8(part));
    out += part;
  }
  return out + stream.Finish();
}

void CheckCase(const Tokenizer& tokenizer, const Json& expected) {
  const auto text = expected["text"].get<std::string>();
  const auto ids = expected["ids"].get<Ids>();
  EXPECT_EQ(tokenizer.Encode(text), ids) << expected["text"];
  EXPECT_EQ(tokenizer.Encode(text, {.add_special = false, .parse_special = true}), expected["plain"].get<Ids>())
      << expected["text"];
  const std::vector<TextPiece> halves = {{text, true}, {"", false}};
  EXPECT_EQ(tokenizer.EncodeMarked(halves, true), ids) << expected["text"];
  EXPECT_EQ(tokenizer.Decode(ids), expected["decoded"].get<std::string>()) << expected["text"];
  EXPECT_EQ(tokenizer.Decode(ids, true), expected["skipped"].get<std::string>()) << expected["text"];
  EXPECT_EQ(Stream(tokenizer, ids, false), expected["decoded"].get<std::string>()) << expected["text"];
}

TEST(TokenizerGoldens, IdsAndTextsEqualThoseOfTheReference) {
  size_t families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    SCOPED_TRACE(entry.path().filename());
    const Result<std::string> json = ReadTextFile(entry.path() / "tokenizer.json");
    const Result<std::string> cases = ReadTextFile(entry.path() / "cases.jsonl");
    ASSERT_TRUE(json && cases);
    const Result<Tokenizer> tokenizer = Tokenizer::FromJson(*json, Json(nullptr), entry.path().string());
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
    std::istringstream lines(*cases);
    for (std::string line; std::getline(lines, line);) CheckCase(*tokenizer, Json::parse(line));
    ++families;
  }
  EXPECT_GE(families, 1u);
}

}  // namespace
}  // namespace octet
