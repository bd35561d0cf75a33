// Ids and texts of every tokenizer family against those of Hugging Face's package. tools/golden/make_tokenizers.py
// writes the files; tools/check/tokenizer_parity.py runs this test on many more by way of OCTET_TOKENIZER_GOLDENS.
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

std::string Stream(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder stream(tokenizer, /*skip_special=*/false);
  std::string out;
  for (const int32_t id : ids) {
    const std::string part = stream.Push(id);
    EXPECT_TRUE(IsValidUtf8(part));
    out += part;
  }
  return out + stream.Finish();
}

// What Octet makes of the case's text, with the fields of a case in their order.
Json Made(const Tokenizer& tokenizer, const std::string& text, const Ids& expected_ids) {
  const std::vector<TextPiece> halves = {{text, true}, {"", false}};
  return {{"text", text},
          {"ids", tokenizer.Encode(text)},
          {"plain", tokenizer.Encode(text, {.add_special = false, .parse_special = true})},
          {"decoded", tokenizer.Decode(expected_ids)},
          {"skipped", tokenizer.Decode(expected_ids, true)},
          {"marked", tokenizer.EncodeMarked(halves, true, "")},
          {"streamed", Stream(tokenizer, expected_ids)}};
}

// A line for each of the first differences; a wrong tokenizer may have as many as there are texts.
void CheckFamily(const Tokenizer& tokenizer, const std::string& cases) {
  constexpr size_t kMostShown = 5;
  std::istringstream lines(cases);
  size_t texts = 0, different = 0;
  std::string shown;
  for (std::string line; std::getline(lines, line); ++texts) {
    Json expected = Json::parse(line);
    expected["marked"] = expected["ids"];
    expected["streamed"] = expected["decoded"];
    const Json made = Made(tokenizer, expected["text"].get<std::string>(), expected["ids"].get<Ids>());
    if (made == expected || ++different > kMostShown) continue;
    shown += Cat("expected ", expected.dump(), "\ngot      ", made.dump(), "\n");
  }
  EXPECT_EQ(different, 0u) << different << " of " << texts << " texts differ\n" << shown;
  EXPECT_GT(texts, 0u);
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
    CheckFamily(*tokenizer, *cases);
    ++families;
  }
  EXPECT_GE(families, 1u);
}

}  // namespace
}  // namespace octet
