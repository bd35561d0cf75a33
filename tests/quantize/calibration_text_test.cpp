#include "quantize/calibration_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "tests/base/temporary_directory.h"
#include "tests/models/golden_model.h"
#include "text/open_tokenizer.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CalibrationFile : public testing::Test {
 protected:
  Result<CalibrationText> Read(std::string_view name, std::string_view content, const CalibrationOptions& options) {
    return ReadCalibrationText(checkpoint_, directory_.Write(name, content), options);
  }
  // The message of what must fail as the user's mistake.
  std::string Refusal(std::string_view name, std::string_view content) {
    const Result<CalibrationText> text = Read(name, content, {.windows = 2, .context = 16});
    if (text) return "no refusal";
    EXPECT_TRUE(text.error().code == ErrorCode::kInvalidArgument || text.error().code == ErrorCode::kCorrupt);
    return text.error().message;
  }
  std::vector<int32_t> Ids(std::string_view text, bool parse_special = false) const {
    return tokenizer_.Encode(text, {.add_special = false, .parse_special = parse_special});
  }

  // The model again, with one of its JSON files changed.
  Checkpoint Changed(const std::string& file, const std::function<void(Json&)>& change) {
    const std::filesystem::path model = directory_ / "model";
    std::filesystem::copy(GoldenModel("smollm2"), model);
    Json json = ReadJsonFile(model / file);
    change(json);
    std::ofstream(model / file) << json.dump();
    return Must(Checkpoint::Open(model));
  }

  TemporaryDirectory directory_;
  Checkpoint checkpoint_ = Must(Checkpoint::Open(GoldenModel("smollm2")));
  Tokenizer tokenizer_ = Must(OpenTokenizer(GoldenModel("smollm2")));
};

TEST_F(CalibrationFile, TextIsCutIntoWindowsFromItsBeginning) {
  const CalibrationText text = Must(Read("text.txt", std::string(400, 'a'), {.windows = 3, .context = 16}));
  ASSERT_EQ(text.size(), 3u);
  EXPECT_EQ(TokensOf(text), 48u);
  EXPECT_THAT(Refusal("text.txt", "short"), HasSubstr("tokens, a window takes 16; give a longer text"));
}

TEST_F(CalibrationFile, WindowsBeginWithBosWhereTheTokenizerDoes) {
  const Checkpoint model = Changed("tokenizer.json", [](Json& json) {
    json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "special_tokens":
        {"<|start|>": {"id": "<|start|>", "ids": [274], "tokens": ["<|start|>"]}},
        "single": [{"SpecialToken": {"id": "<|start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]})");
  });
  const std::filesystem::path file = directory_.Write("text.txt", std::string(400, 'a'));
  for (const std::vector<int32_t>& window : Must(ReadCalibrationText(model, file, {.windows = 3, .context = 16})))
    EXPECT_EQ(window.front(), 274);
  const std::filesystem::path lines = directory_.Write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}");
  const std::vector<int32_t> ids = Must(ReadCalibrationText(model, lines, {.windows = 1, .context = 4})).front();
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 274), 2) << "each sample begins with it";
}

TEST_F(CalibrationFile, WindowsAreNoLongerThanTheModelsContext) {
  const std::string longer(4000, 'a');
  EXPECT_EQ(Must(Read("text.txt", longer, {.windows = 1})).front().size(), 512u);
  const Result<CalibrationText> beyond = Read("text.txt", longer, {.windows = 1, .context = 513});
  ASSERT_FALSE(beyond.has_value());
  EXPECT_THAT(beyond.error().message, HasSubstr("windows of 513 tokens are longer than the model's context of 512"));
}

TEST_F(CalibrationFile, SamplesOfJsonLinesStandOneBehindTheOther) {
  const CalibrationText text = Must(Read("a.jsonl", "{\"text\": \"one two\"}\r\n\n  \n{\"id\": 7, \"text\": \"three\"}",
                                         {.windows = 1, .context = Ids("one two").size() + Ids("three").size()}));
  std::vector<int32_t> wanted = Ids("one two");
  const std::vector<int32_t> second = Ids("three");
  wanted.insert(wanted.end(), second.begin(), second.end());
  EXPECT_THAT(text, ElementsAre(wanted));
}

TEST_F(CalibrationFile, ConversationsGoThroughTheChatTemplateAndCanNotSteerTheModel) {
  const std::string line = R"({"text": "unread", "messages": [{"role": "user", "content": "Hi <|end|>"}]})";
  std::vector<int32_t> wanted = Ids("<|start|>", true);
  for (const int32_t id : Ids("user\nHi <|end|>")) wanted.push_back(id);
  for (const int32_t id : Ids("<|end|>\n", true)) wanted.push_back(id);
  EXPECT_THAT(Must(Read("a.ndjson", line, {.windows = 1, .context = wanted.size()})), ElementsAre(wanted));
}

TEST_F(CalibrationFile, LinesBehindTheLastWindowAreNotRead) {
  const std::string line = "{\"text\": \"" + std::string(400, 'a') + "\"}\n";
  EXPECT_TRUE(Read("a.jsonl", line + "not JSON", {.windows = 1, .context = 16}).has_value());
  EXPECT_FALSE(Read("a.jsonl", "not JSON\n" + line, {.windows = 1, .context = 16}).has_value());
}

TEST_F(CalibrationFile, ABadLineIsNamedByItsNumber) {
  const std::string good = "{\"text\": \"a\"}\n";
  EXPECT_THAT(Refusal("a.jsonl", good + good + "{\"text\": \"b\""), HasSubstr("a.jsonl: line 3"));
  EXPECT_THAT(Refusal("a.jsonl", good + "\n{\"text\": 7}"), HasSubstr("a.jsonl: line 3: is no sample; a line is"));
  EXPECT_THAT(Refusal("a.jsonl", good + "{\"prompt\": \"b\"}"), HasSubstr("line 2: is no sample"));
  EXPECT_THAT(Refusal("a.jsonl", "[1]\n"), HasSubstr("line 1: is no sample"));
  EXPECT_THAT(Refusal("a.jsonl", "{\"messages\": []}"), HasSubstr("line 1: is no sample"));
  EXPECT_THAT(Refusal("a.jsonl", "{\"messages\": [\"Hi\"]}"), HasSubstr("line 1: is no sample"));
  EXPECT_THAT(Refusal("a.jsonl", "{\"messages\": [{\"role\": 1}]}"), HasSubstr("line 1: is no sample"));
  EXPECT_THAT(Refusal("a.jsonl", good + "{\"text\": \"\xff\"}"), HasSubstr("line 2"));
  EXPECT_THAT(Refusal("a.jsonl", good + "{\"text\": \"a\\u0000b\"}"), HasSubstr("line 2: byte 1 is NUL"));
  EXPECT_THAT(Refusal("a.jsonl", good + good.substr(0, 9) + std::string(1, '\0') + "\"}"), HasSubstr("line 2"));
  EXPECT_THAT(Refusal("a.jsonl", ""), HasSubstr("has 0 tokens, a window takes 16"));
}

TEST_F(CalibrationFile, WhatIsNoTextIsRefusedWithThePlace) {
  EXPECT_THAT(Refusal("text.txt", ""), HasSubstr("has 0 tokens"));
  EXPECT_THAT(Refusal("text.txt", std::string("abc\0def", 7)), HasSubstr("byte 3 is NUL, so this is no text"));
  EXPECT_THAT(Refusal("text.txt", "abc\xff"), HasSubstr("is not UTF-8: byte 3 of 4"));
}

TEST_F(CalibrationFile, ALineOfGigabytesIsRefusedWithoutReadingIt) {
  const std::filesystem::path file = directory_.Write("a.jsonl", "{\"text\": \"a\"}\n");
  std::filesystem::resize_file(file, uint64_t{2} << 30);  // a hole, that takes no room on the disk
  const Result<CalibrationText> text = ReadCalibrationText(checkpoint_, file, {});
  ASSERT_FALSE(text.has_value());
  EXPECT_THAT(text.error().message, HasSubstr("line 2: has more than 16777216 bytes"));
  std::filesystem::rename(file, directory_ / "a.txt");
  const Result<CalibrationText> whole = ReadCalibrationText(checkpoint_, directory_ / "a.txt", {});
  ASSERT_FALSE(whole.has_value());
  EXPECT_THAT(whole.error().message, HasSubstr("has 2147483648 bytes, at most 268435456 are read"));
}

TEST_F(CalibrationFile, MessagesNeedATemplate) {
  const Checkpoint mute = Changed("tokenizer_config.json", [](Json& json) { json.erase("chat_template"); });
  const std::filesystem::path file =
      directory_.Write("a.jsonl", R"({"messages": [{"role": "user", "content": "Hi"}]})");
  const Result<CalibrationText> text = ReadCalibrationText(mute, file, {.windows = 1, .context = 4});
  ASSERT_FALSE(text.has_value());
  EXPECT_THAT(text.error().message, HasSubstr("line 1: has messages, and the model has no chat template"));
}

TEST(HoldOut, TheLastQuarterIsHeldOutAtMostSixteenAndASingleWindowIsBoth) {
  const auto sizes = [](size_t windows) {
    CalibrationText text;
    for (size_t i = 0; i < windows; ++i) text.push_back({static_cast<int32_t>(i)});
    const SplitText split = HoldOut(text);
    EXPECT_EQ(split.calibrated.front(), text.front());
    EXPECT_EQ(split.held_out.back(), text.back());
    return std::pair(split.calibrated.size(), split.held_out.size());
  };
  EXPECT_EQ(sizes(1), std::pair(size_t{1}, size_t{1}));
  EXPECT_EQ(sizes(2), std::pair(size_t{1}, size_t{1}));
  EXPECT_EQ(sizes(9), std::pair(size_t{7}, size_t{2}));
  EXPECT_EQ(sizes(32), std::pair(size_t{24}, size_t{8}));
  EXPECT_EQ(sizes(128), std::pair(size_t{112}, size_t{16}));
}

}  // namespace
}  // namespace octet
