// The project's own source files as the house tests read them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace octet::house {

std::filesystem::path Root();

struct SourceFile {
  std::string path;  // from the root, as in `src/base/json.h`
  std::vector<std::string> lines;
};

// Every .h, .cpp and .inl below the folder, sorted by path.
std::vector<SourceFile> SourcesIn(const std::string& folder);

struct Include {
  std::string path;
  size_t line;
  bool quoted;
};
// Spaces may stand wherever a compiler takes them.
std::vector<Include> IncludesOf(const SourceFile& file);

}  // namespace octet::house
