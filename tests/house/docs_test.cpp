// Pages don't point at files that aren't there, and the table of options is the program's own.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <regex>

#include "tests/house/sources.h"

namespace octet::house {
namespace {

namespace fs = std::filesystem;

std::string TextOf(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Relative targets of [text](target) that don't exist, one line each.
std::string BrokenLinks(const fs::path& folder, const std::string& name, const std::string& text) {
  static const std::regex link("\\]\\(([^)#:]+)(?:#[^)]*)?\\)");
  std::string out;
  for (std::sregex_iterator at(text.begin(), text.end(), link), end; at != end; ++at) {
    const std::string target = (*at)[1];
    if (!fs::exists(folder / target)) out += name + ": " + target + "\n";
  }
  return out;
}

TEST(Docs, ABrokenLinkIsFound) {
  EXPECT_EQ(BrokenLinks(Root(), "page", "[a](README.md) [b](docs/none.md#part) [c](https://example.org)"),
            "page: docs/none.md\n");
}

std::vector<fs::path> Pages() {
  std::vector<fs::path> pages = {Root() / "README.md", Root() / "CONTRIBUTING.md", Root() / "src/README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(Root() / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  return pages;
}

TEST(Docs, EveryLinkOfEveryPageLeadsToAFile) {
  EXPECT_GT(Pages().size(), 20u);
  std::string broken;
  for (const fs::path& page : Pages()) broken += BrokenLinks(page.parent_path(), page.filename(), TextOf(page));
  EXPECT_EQ(broken, "");
}

TEST(Docs, TheTableOfOptionsIsTheProgramsOwn) {
  const std::string command = std::string(OCTET_BINARY_DIR) + "/octet help --markdown";
  FILE* stream = ::popen(command.c_str(), "r");
  ASSERT_NE(stream, nullptr);
  std::string printed;
  std::array<char, 4096> part;
  while (const size_t bytes = std::fread(part.data(), 1, part.size(), stream)) printed.append(part.data(), bytes);
  ASSERT_EQ(::pclose(stream), 0) << command;
  EXPECT_EQ(printed, TextOf(Root() / "docs/options.md")) << "run `make docs`";
}

// Options between backticks that no verb has: `--verbose`, or `--verbose 2`.
std::string StrangeOptions(const std::string& name, const std::string& text, const std::string& table) {
  static const std::regex option("`(--[a-z][a-z0-9-]*)");
  std::string out;
  for (std::sregex_iterator at(text.begin(), text.end(), option), end; at != end; ++at) {
    const std::string word = (*at)[1], without_no = word.starts_with("--no-") ? "--" + word.substr(5) : word;
    if (word == "--help" || word == "--name") continue;  // of the program itself, and any option at all
    const auto is_there = [&](const std::string& option_name) {
      return table.find("`" + option_name) != std::string::npos;
    };
    if (!is_there(word) && !is_there(without_no)) out += name + ": " + word + "\n";
  }
  return out;
}

TEST(Docs, EveryOptionOfEveryPageIsOneOfTheProgram) {
  EXPECT_EQ(StrangeOptions("page", "`--log info`, `--no-json`, `--verbose`", "| `--log TEXT` | `--json` |"),
            "page: --verbose\n");
  const std::string table = TextOf(Root() / "docs/options.md");
  std::string strange;
  for (const fs::path& page : Pages()) strange += StrangeOptions(page.filename(), TextOf(page), table);
  EXPECT_EQ(strange, "");
}

// Words of the examples in a page of help that name no file of the repository and none that tools/demo makes.
std::string StrangeFiles(const std::string& name, const std::string& text, const std::string& demo) {
  static const std::regex example("example(?: =|:) *([^\\n]*)");
  static const std::regex file("[A-Za-z0-9_./-]*[A-Za-z0-9]/[A-Za-z0-9_./-]+|[A-Za-z0-9_-]+\\.(?:txt|md|gguf|octet)");
  std::string out;
  for (std::sregex_iterator line(text.begin(), text.end(), example), end; line != end; ++line) {
    const std::string words = (*line)[1];
    for (std::sregex_iterator at(words.begin(), words.end(), file); at != end; ++at) {
      const std::string path = at->str();
      const bool is_made =
          path.starts_with("build/models/") && demo.find("$models/" + path.substr(13)) != std::string::npos;
      if (!is_made && !fs::exists(Root() / path)) out += name + ": " + path + "\n";
    }
  }
  return out;
}

TEST(Docs, AFileOfAnExampleThatIsNowhereIsFound) {
  const std::string demo = "make \"$models/fp8\"";
  EXPECT_EQ(StrangeFiles("page", ".example = \"octet eval build/models/fp8 --text test.txt\"}", demo),
            "page: test.txt\n");
  EXPECT_EQ(StrangeFiles("page", "example: octet run build/models/int9 --prompt \"Be brief.\"\n", demo),
            "page: build/models/int9\n");
  EXPECT_EQ(StrangeFiles("page", "example: octet eval build/models/fp8 --text README.md\n", demo), "");
}

TEST(Docs, AFileOfAnExampleIsInTheRepositoryOrMadeByTheDemo) {
  const std::string demo = TextOf(Root() / "tools/demo");
  std::string strange;
  for (const char* folder : {"cli", "docs/verbs"}) {
    for (const auto& entry : fs::directory_iterator(Root() / folder))
      strange += StrangeFiles(entry.path().filename(), TextOf(entry.path()), demo);
  }
  EXPECT_EQ(strange, "");
}

}  // namespace
}  // namespace octet::house
