#include "text/find_template.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

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

TEST_F(FindTemplate, ATemplateOfTheWrongTypeIsCorrupt) {
  Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(FindChatTemplates(folder_).error().code, ErrorCode::kCorrupt);
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_EQ(FindChatTemplates(folder_).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace octet
