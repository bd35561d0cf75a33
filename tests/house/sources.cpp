#include "tests/house/sources.h"

#include <algorithm>
#include <fstream>
#include <regex>

namespace octet::house {

std::filesystem::path Root() { return OCTET_SOURCE_DIR; }

std::vector<SourceFile> SourcesIn(const std::string& folder) {
  std::vector<SourceFile> files;
  if (!std::filesystem::exists(Root() / folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Root() / folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp" && extension != ".inl") continue;
    SourceFile file{std::filesystem::relative(entry.path(), Root()).generic_string(), {}};
    std::ifstream stream(entry.path());
    for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<Include> IncludesOf(const SourceFile& file) {
  static const std::regex directive(R"(^\s*#\s*include\s*([<"])([^>"]*)[>"])");
  std::vector<Include> includes;
  for (size_t number = 0; number < file.lines.size(); ++number) {
    const std::string& line = file.lines[number];
    std::smatch parts;
    if (line.find("include") == std::string::npos || !std::regex_search(line, parts, directive)) continue;
    includes.push_back({parts[2], number + 1, parts[1] == "\""});
  }
  return includes;
}

}  // namespace octet::house
