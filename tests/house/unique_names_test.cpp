// A type's qualified name is defined once in the library. Two classes of one name in two files are one to the linker:
// it keeps either's inline functions for both, and no compiler says so.
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "tests/house/sources.h"

namespace octet::house {
namespace {

using Places = std::map<std::string, std::vector<std::string>>;

std::string Joined(const std::vector<std::string>& scopes) {
  std::string out;
  for (const std::string& scope : scopes) out += scope + "::";
  return out;
}

// Types defined at namespace level, which the formatter keeps at the start of a line; unnamed namespaces are a file's
// own.
void AddTypes(const SourceFile& file, Places& places) {
  static const std::regex opening("^namespace ?([\\w:]*) ?\\{$");
  static const std::regex type(
      "^(?:class|struct|enum class|union) (?:alignas\\(\\w+\\) )?(\\w+)(?: final)?(?: :.*)?(?: \\{.*|$)");
  std::vector<std::string> scopes;
  size_t unnamed = 0;
  for (const std::string& line : file.lines) {
    std::smatch match;
    if (std::regex_match(line, match, opening)) {
      scopes.push_back(match[1]);
      unnamed += match[1].length() == 0 ? 1 : 0;
    } else if (line.rfind("}  // namespace", 0) == 0 && !scopes.empty()) {
      unnamed -= scopes.back().empty() ? 1 : 0;
      scopes.pop_back();
    } else if (unnamed == 0 && std::regex_match(line, match, type)) {
      places[Joined(scopes) + match[1].str()].push_back(file.path);
    }
  }
}

std::string DefinedTwice(const Places& places) {
  std::string out;
  for (const auto& [name, files] : places) {
    if (files.size() > 1) out += name + ": " + files[0] + ", " + files[1] + "\n";
  }
  return out;
}

TEST(UniqueNames, ATypeDefinedInTwoFilesIsFound) {
  Places places;
  AddTypes({"a.h", {"namespace octet {", "class Decoder {", "};", "struct Known;", "}  // namespace octet"}}, places);
  AddTypes({"b.h",
            {"namespace octet {", "struct Decoder final : Base {", "namespace {", "class Own {", "}  // namespace",
             "}  // namespace octet"}},
           places);
  AddTypes({"c.h", {"namespace octet::nn {", "class Decoder {", "namespace {", "class Own {"}}, places);
  EXPECT_EQ(DefinedTwice(places), "octet::Decoder: a.h, b.h\n");
}

TEST(UniqueNames, TheLibraryDefinesEachTypeOnce) {
  Places places;
  for (const char* folder : {"src", "cli", "include"}) {
    for (const SourceFile& file : SourcesIn(folder)) {
      // .inl files are included inside unnamed namespaces.
      if (!file.path.ends_with(".inl")) AddTypes(file, places);
    }
  }
  EXPECT_GT(places.size(), 150u);
  EXPECT_EQ(DefinedTwice(places), "");
}

}  // namespace
}  // namespace octet::house
