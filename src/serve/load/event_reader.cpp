#include "serve/load/event_reader.h"

namespace octet::serve {

Status EventReader::Feed(std::string_view bytes, const std::function<void(std::string_view data)>& event) {
  while (!bytes.empty()) {
    if (after_return_ && bytes[0] == '\n') bytes.remove_prefix(1);
    after_return_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + data_.size() > kMostEventBytes)
      return Fail(ErrorCode::kCorrupt, "an event of the stream has more than ", kMostEventBytes, " bytes");
    if (end == std::string_view::npos) return {};
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    EndLine(event);
  }
  return {};
}

void EventReader::EndLine(const std::function<void(std::string_view data)>& event) {
  const std::string line = std::move(line_);
  line_.clear();
  if (line.empty()) {
    if (has_data_) event(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  std::string_view value = line;
  if (!value.starts_with("data:")) return;
  value.remove_prefix(5);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace octet::serve
