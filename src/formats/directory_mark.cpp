#include "formats/directory_mark.h"

#include <algorithm>
#include <utility>

#include "base/cat.h"
#include "base/mapped_file.h"
#include "base/partial_path.h"
#include "base/system_error.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfiguration = "config.json";
constexpr std::string_view kTitle = "Made by octet, which may replace these files:\n";

}  // namespace

Result<std::vector<std::string>> NamesIn(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string entry = entries->path().filename().native();
    if (entry != kDirectoryMark && !IsPartialName(entry, kDirectoryMark)) names.push_back(std::move(entry));
  }
  if (error) return SystemError(directory, "can't be read", error);
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a == kConfiguration, std::string_view(a)) < std::pair(b == kConfiguration, std::string_view(b));
  });
  return names;
}

std::string MarkOf(const std::vector<std::string>& names) {
  std::string text(kTitle);
  for (const std::string& name : names) text += Cat(name, "\n");
  return text;
}

Result<std::vector<std::string>> MarkedNames(const fs::path& mark) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::is_regular_file(mark, error)) return names;
  const std::string text = OCTET_TRY(ReadTextFile(mark));
  if (!text.starts_with(kTitle)) return names;
  for (size_t begin = kTitle.size(); begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace octet
