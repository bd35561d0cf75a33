// Pairs of texts against Hugging Face's package: tools/golden/text_pairs.py writes the goldens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_text.h"
#include "base/mapped_file.h"
#include "text/tokenizer.h"

namespace octet {
namespace {

const std::filesystem::path kPairGoldens = std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden";

Tokenizer OpenWith(const Json& entry) {
  const auto path = kPairGoldens / "tokenizers" / entry.at("tokenizer").get<std::string>() / "tokenizer.json";
  Json definition = *ParseJson(*ReadTextFile(path), path.native());
  if (entry.contains("post_processor")) definition["post_processor"] = entry["post_processor"];
  Result<Tokenizer> tokenizer = Tokenizer::FromJson(Dump(definition), nullptr, path.native());
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  return std::move(*tokenizer);
}

TEST(TextPairs, AreJoinedAndCutAsTheTokenizersPostProcessorSays) {
  const Json entries = *ParseJson(*ReadTextFile(kPairGoldens / "encoders/text_pairs.json"), "text_pairs.json");
  EXPECT_EQ(entries.size(), 12u);
  for (const Json& entry : entries) {
    const Tokenizer tokenizer = OpenWith(entry);
    size_t compared = 0;
    for (const Json& item : entry.at("cases")) {
      const auto ids = [&](const char* name) {
        return tokenizer.Encode(item.at(name).get<std::string>(), {.add_special = false});
      };
      const size_t most = item.at("most").is_null() ? SIZE_MAX : item.at("most").get<size_t>();
      const Result<TokenPair> pair = tokenizer.FramePair(ids("first"), ids("second"), most);
      ASSERT_TRUE(pair.has_value()) << pair.error().message;
      EXPECT_EQ(Json(pair->ids), item.at("ids")) << entry.at("tokenizer") << " " << item.dump();
      EXPECT_EQ(Json(pair->types), item.at("types")) << entry.at("tokenizer") << " " << item.dump();
      ++compared;
    }
    EXPECT_EQ(compared, 75u);
  }
}

TEST(TextPairs, WithoutARuleOrRoomAreRefused) {
  const Json unknown = {{"tokenizer", "bert"},
                        {"post_processor",
                         {{"type", "TemplateProcessing"},
                          {"single", Json::array()},
                          {"pair", Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
                          {"special_tokens", Json::object()}}}};
  EXPECT_THAT(OpenWith(unknown).FramePair({}, {}).error().message, testing::HasSubstr("has no rule for pairs"));
  const std::vector<int32_t> text = {7};
  const Result<TokenPair> cramped = OpenWith({{"tokenizer", "bert"}}).FramePair(text, text, 3);
  EXPECT_EQ(cramped.error().message, "a pair of at most 3 tokens has no room for texts beside 3 special ones");
}

}  // namespace
}  // namespace octet
