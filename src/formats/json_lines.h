// A file with a JSON value in each line, read one at a time: samples, test items.
//
//   JsonLines lines = OCTET_TRY(JsonLines::Open("items.jsonl"));
//   while (const std::optional<Json> item = OCTET_TRY(lines.Next())) {
//     std::string question = OCTET_TRY(GetString(*item, "question", lines.where()));
//   }
//
// The file is mapped, so that memory holds one line's value whatever its size.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace octet {

class JsonLines {
 public:
  static constexpr size_t kMostLineBytes = size_t{16} << 20;

  // Fails as MappedFile::Open does. A byte order mark at the start is passed over.
  static Result<JsonLines> Open(const std::filesystem::path& path);

  // The next line's value, or nothing at the end; blank lines are none. Fails, naming file and line, with
  // invalid_argument for a line of more than kMostLineBytes and as ParseJson does.
  Result<std::optional<Json>> Next();

  // "items.jsonl: line 3", of the line that Next read last.
  const std::string& where() const { return where_; }

 private:
  JsonLines(MappedFile file, std::string path);

  MappedFile file_;
  std::string path_;
  std::string where_;
  std::string_view rest_;
  size_t number_ = 0;
};

}  // namespace octet
