#include "serve/api/json_extent.h"

namespace octet::serve {
namespace {

constexpr std::string_view kJsonSpace = " \t\r\n";

std::string_view WithoutSpace(std::string_view text) {
  const size_t first = text.find_first_not_of(kJsonSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kJsonSpace) + 1 - first);
}

}  // namespace

bool JsonExtent::Push(char byte) {
  if (in_text_) {
    if (escaped_) {
      escaped_ = false;
    } else if (byte == '\\') {
      escaped_ = true;
    } else if (byte == '"') {
      in_text_ = false;
    }
    return false;
  }
  if (byte == '"') in_text_ = true;
  if (byte == '{' || byte == '[') ++open_;
  return (byte == '}' || byte == ']') && open_ > 0 && --open_ == 0;
}

std::vector<RawValue> RawValues(std::string_view json) {
  std::vector<RawValue> values;
  if (json.size() < 2) return values;
  const std::string_view inside = json.substr(1, json.size() - 2);
  if (WithoutSpace(inside).empty()) return values;
  size_t begin = 0, open = 0;
  bool in_text = false;
  RawValue value;
  for (size_t at = 0; at < inside.size(); ++at) {
    const char byte = inside[at];
    if (in_text) {
      if (byte == '\\') ++at;
      if (byte == '"') in_text = false;
    } else if (byte == '"') {
      in_text = true;
    } else if (byte == '{' || byte == '[') {
      ++open;
    } else if ((byte == '}' || byte == ']') && open > 0) {
      --open;
    } else if (open == 0 && (byte == ':' || byte == ',')) {
      const std::string_view part = WithoutSpace(inside.substr(begin, at - begin));
      if (byte == ':') {
        value.key = part;
      } else {
        value.text = part;
        values.push_back(value);
        value = {};
      }
      begin = at + 1;
    }
  }
  value.text = WithoutSpace(inside.substr(begin));
  values.push_back(value);
  return values;
}

}  // namespace octet::serve
