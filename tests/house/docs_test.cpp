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

TEST(Docs, EveryLinkOfEveryPageLeadsToAFile) {
  std::vector<fs::path> pages = {Root() / "README.md", Root() / "CONTRIBUTING.md", Root() / "src/README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(Root() / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  EXPECT_GT(pages.size(), 20u);
  std::string broken;
  for (const fs::path& page : pages) broken += BrokenLinks(page.parent_path(), page.filename(), TextOf(page));
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

}  // namespace
}  // namespace octet::house
