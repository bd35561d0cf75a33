// The file `.octet` of a directory that Octet wrote: it lists the names that may be replaced.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet {

inline constexpr std::string_view kDirectoryMark = ".octet";

// What lies in a directory, but for the mark and its partials (base/partial_path.h). The configuration, without which
// a directory is no model, comes last.
Result<std::vector<std::string>> NamesIn(const std::filesystem::path& directory);

std::string MarkOf(const std::vector<std::string>& names);

// The names that a mark lists; none where it isn't one of these or is no regular file.
Result<std::vector<std::string>> MarkedNames(const std::filesystem::path& mark);

}  // namespace octet
