// Templates rendered by Python's jinja2 as transformers configures it (tools/golden/templates.py) against Octet's
// engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "base/mapped_file.h"
#include "text/chat_template.h"

namespace octet {
namespace {

// Another folder with such cases may be named, for a wider comparison than the files of the project.
std::filesystem::path CaseFolder() {
  const char* folder = std::getenv("OCTET_TEMPLATE_CASES");
  return folder != nullptr ? std::filesystem::path(folder)
                           : std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/templates";
}

// The clock of the goldens: Thursday, 5 March 2026, 07:08:09.
std::tm GoldenTime() {
  std::tm now{};
  now.tm_year = 126, now.tm_mon = 2, now.tm_mday = 5, now.tm_hour = 7, now.tm_min = 8, now.tm_sec = 9, now.tm_wday = 4,
  now.tm_yday = 63;
  return now;
}

Result<std::string> RenderCase(const Result<ChatTemplate>& chat, const Json& inputs) {
  if (!chat) return tl::unexpected<Error>(chat.error());
  RenderLimits limits;
  limits.now = GoldenTime();
  return JoinPieces(OCTET_TRY(chat->Render(inputs, limits)));
}

void CompareFile(const std::filesystem::path& path) {
  const auto text = ReadTextFile(path);
  ASSERT_TRUE(text.has_value()) << path;
  const auto golden = ParseJson(*text, path.string());
  ASSERT_TRUE(golden.has_value()) << golden.error().message;
  size_t index = 0;
  Json shared;  // cases without inputs of their own share those of values.json
  if (const auto values = ReadTextFile(path.parent_path() / "values.json"))
    shared = ParseJson(*values, "values.json").value_or(Json());
  std::string source = golden->value("template", "");
  auto chat = ChatTemplate::Parse(source, "case.jinja");
  for (const Json& one : (*golden)["cases"]) {
    const std::string name =
        path.filename().string() + " case " + std::to_string(index++) + " " + one.value("name", "");
    if (one.contains("template")) {
      source = one["template"].get<std::string>();
      chat = ChatTemplate::Parse(source, "case.jinja");
    }
    const auto got = RenderCase(chat, one.contains("inputs") ? one["inputs"] : shared["inputs"]);
    if (one.contains("text")) {
      EXPECT_TRUE(got.has_value()) << name << "\n" << source.substr(0, 300) << "\n" << (got ? "" : got.error().message);
      EXPECT_EQ(got.value_or(""), one["text"].get<std::string>()) << name << "\n" << source.substr(0, 300);
    } else {
      EXPECT_FALSE(got.has_value()) << name << ": Python fails with " << one.value("error", "") << ", here it is `"
                                    << got.value_or("") << "`\n"
                                    << source.substr(0, 300);
    }
  }
  EXPECT_GT(index, 0u) << path;
}

TEST(ChatTemplateGolden, EveryCaseRendersAsPythonDoesOrFailsWherePythonFails) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CaseFolder())) {
    if (entry.path().extension() == ".json" && entry.path().filename() != "values.json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_FALSE(files.empty());
  for (const auto& file : files) CompareFile(file);
}

}  // namespace
}  // namespace octet
