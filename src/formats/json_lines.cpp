#include "formats/json_lines.h"

#include <algorithm>
#include <utility>

namespace octet {

JsonLines::JsonLines(MappedFile file, std::string path)
    : file_(std::move(file)), path_(std::move(path)), where_(path_), rest_(file_.text()) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // which some editors write
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

Result<JsonLines> JsonLines::Open(const std::filesystem::path& path) {
  return JsonLines(OCTET_TRY(MappedFile::Open(path)), path.native());
}

Result<std::optional<Json>> JsonLines::Next() {
  while (!rest_.empty()) {
    where_ = Cat(path_, ": line ", ++number_);
    const size_t length = std::min(rest_.substr(0, kMostLineBytes + 1).find('\n'), rest_.size());
    if (length > kMostLineBytes) {
      return Fail(ErrorCode::kInvalidArgument, where_, ": has more than ", kMostLineBytes,
                  " bytes; a line holds one value of JSON");
    }
    const std::string_view line = rest_.substr(0, length);
    rest_.remove_prefix(std::min(length + 1, rest_.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    return std::optional<Json>(OCTET_TRY(ParseJson(line, where_)));
  }
  return std::optional<Json>();
}

}  // namespace octet
