#include "tests/house/sources.h"

#include <algorithm>
#include <fstream>

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
  std::vector<Include> includes;
  for (size_t number = 0; number < file.lines.size(); ++number) {
    const std::string& line = file.lines[number];
    if (!line.starts_with("#include")) continue;
    const size_t begin = line.find_first_of("<\"");
    if (begin == std::string::npos) continue;
    const size_t end = line.find_first_of(">\"", begin + 1);
    includes.push_back({line.substr(begin + 1, end - begin - 1), number + 1, line[begin] == '"'});
  }
  return includes;
}

}  // namespace octet::house
