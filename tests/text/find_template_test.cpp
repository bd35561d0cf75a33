#include "text/find_template.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "formats/octet_pack.h"

namespace octet {
namespace {

class FindTemplate : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const char* name, std::string_view text) { std::ofstream(folder_ / name) << text; }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("octet_find_template_" + std::to_string(getpid()));
};

TEST_F(FindTemplate, AFileOfItsOwnBeatsTheTokenizersConfig) {
  Write("tokenizer_config.json", R"({"chat_template": "from config"})");
  EXPECT_EQ(FindChatTemplates(folder_)->text, "from config");
  Write("chat_template.jinja", "from file");
  EXPECT_EQ(FindChatTemplates(folder_)->text, "from file");
}

TEST_F(FindTemplate, ADirectoryWithoutOneYieldsNone) {
  EXPECT_EQ(FindChatTemplates(folder_)->text, "");
  Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(FindChatTemplates(folder_)->text, "");
}

TEST_F(FindTemplate, AListOfNamedOnesHasADefaultAndOneForTools) {
  Write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]})");
  const auto sources = FindChatTemplates(folder_);
  EXPECT_EQ(sources->text, "d");
  EXPECT_EQ(sources->tool_use_text, "t");
}

TEST_F(FindTemplate, TheOneForToolsStandsBesideTheFile) {
  Write("chat_template.jinja", "d");
  std::filesystem::create_directories(folder_ / "additional_chat_templates");
  Write("additional_chat_templates/tool_use.jinja", "t");
  EXPECT_EQ(FindChatTemplates(folder_)->text, "d");
  EXPECT_EQ(FindChatTemplates(folder_)->tool_use_text, "t");
}

TEST_F(FindTemplate, AGgufHasBothInItsMetadata) {
  const std::filesystem::path file = OCTET_SOURCE_DIR "/tests/golden/gguf/vocabulary.gguf";
  const auto found = FindChatTemplates(file);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->text.substr(0, 15), "{{ bos_token }}");
  EXPECT_EQ(found->tool_use_text, "tools: {{ tools[0].name }}");
  const auto opened = ReadChatTemplates(Checkpoint::Open(file).value());
  EXPECT_EQ(opened->text, found->text);
  EXPECT_EQ(opened->tool_use_text, found->tool_use_text);
}

TEST_F(FindTemplate, APackHasTheDefaultAndTheListItCameFrom) {
  const std::filesystem::path file = folder_ / "m.octet";
  const auto write = [&](std::string_view text) {
    OctetPackWriter writer = OctetPackWriter::Create(file).value();
    ASSERT_TRUE(writer.Add("chat_template.jinja", text).has_value());
    ASSERT_TRUE(
        writer
            .Add("tokenizer_config.json", std::string_view(R"({"chat_template": [{"name": "default", "template": "d"},
                                              {"name": "tool_use", "template": "t"}]})"))
            .has_value());
    ASSERT_TRUE(writer.Commit().has_value());
  };
  write("d");
  EXPECT_EQ(FindChatTemplates(file)->text, "d");
  EXPECT_EQ(FindChatTemplates(file)->tool_use_text, "t");
  write("a file of its own");
  EXPECT_EQ(FindChatTemplates(file)->text, "a file of its own");
  EXPECT_EQ(FindChatTemplates(file)->tool_use_text, "");
}

TEST_F(FindTemplate, ATemplateOfTheWrongTypeIsCorrupt) {
  Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(FindChatTemplates(folder_).error().code, ErrorCode::kCorrupt);
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_EQ(FindChatTemplates(folder_).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace octet
