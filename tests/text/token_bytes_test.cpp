// Bytes of single tokens against what decoding whole runs of tokens gives, for every tokenizer of the goldens.
#include "text/token_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/mapped_file.h"
#include "base/random.h"
#include "text/utf8.h"

namespace octet {
namespace {

using testing::HasSubstr;

Tokenizer Open(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/tokenizers" / name;
  const Result<std::string> json = ReadTextFile(path / "tokenizer.json");
  EXPECT_TRUE(json.has_value());
  Result<Tokenizer> tokenizer = Tokenizer::FromJson(*json, Json(nullptr), path.string());
  EXPECT_TRUE(tokenizer.has_value());
  return std::move(*tokenizer);
}

// Runs whose bytes are no whole characters decode to replacement characters and are passed over.
size_t CheckRuns(const Tokenizer& tokenizer, const TokenBytes& bytes) {
  const CounterRandom random{3};
  const auto vocab = static_cast<double>(tokenizer.vocab_size());
  size_t compared = 0;
  for (uint32_t run = 0; run < 3000; ++run) {
    std::vector<int32_t> ids;
    std::string joined;
    for (uint32_t i = 0; i < 1 + run % 4; ++i) {
      const auto id = static_cast<size_t>(random.Uniform(run, i) * vocab);
      if (bytes.inside[id].empty()) continue;
      joined += ids.empty() && !bytes.first.empty() ? bytes.first[id] : bytes.inside[id];
      ids.push_back(static_cast<int32_t>(id));
    }
    if (!IsValidUtf8(joined)) continue;
    EXPECT_EQ(joined, tokenizer.Decode(ids)) << "run " << run;
    ++compared;
  }
  return compared;
}

TEST(TokenBytes, JoinedAreTheTextOfTheTokens) {
  for (const char* name :
       {"gpt2", "llama3", "qwen2", "llama2", "llama2_new", "gemma", "tekken", "smollm", "t5", "xlmr"}) {
    SCOPED_TRACE(name);
    const Tokenizer tokenizer = Open(name);
    const Result<TokenBytes> bytes = ReadTokenBytes(tokenizer);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    ASSERT_EQ(bytes->inside.size(), tokenizer.vocab_size());
    EXPECT_GT(CheckRuns(tokenizer, *bytes), 1000u);
    for (int32_t id = 0; id < static_cast<int32_t>(tokenizer.vocab_size()); ++id) {
      if (tokenizer.IsSpecial(id)) {
        EXPECT_EQ(bytes->inside[static_cast<size_t>(id)], "") << id;
      }
    }
  }
}

TEST(TokenBytes, ASpaceThatTheFirstTokenLosesIsMissingThereAlone) {
  const Tokenizer tokenizer = Open("llama2");
  const Result<TokenBytes> bytes = ReadTokenBytes(tokenizer);
  ASSERT_TRUE(bytes.has_value());
  const auto the = static_cast<size_t>(*tokenizer.TokenId("\u2581the"));
  EXPECT_EQ(bytes->inside[the], " the");
  EXPECT_EQ(bytes->first[the], "the");
  const auto byte = static_cast<size_t>(*tokenizer.TokenId("<0xE4>"));
  EXPECT_EQ(bytes->inside[byte], "\xE4");
}

TEST(TokenBytes, TextThatDependsOnNeighboursIsRefusedByTheStepsName) {
  const Result<TokenBytes> bytes = ReadTokenBytes(Open("bert"));
  ASSERT_FALSE(bytes.has_value());
  EXPECT_EQ(bytes.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(bytes.error().message, HasSubstr("`WordPiece`"));
}

}  // namespace
}  // namespace octet
