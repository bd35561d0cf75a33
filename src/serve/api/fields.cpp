#include "serve/api/fields.h"

#include <algorithm>
#include <cmath>

#include "base/cat.h"

namespace octet::serve {
namespace {

constexpr size_t kBodyDepth = 64;
constexpr size_t kLongestShownName = 100;  // bytes

// A value as an error shows it: numbers and switches themselves, of all else the type.
std::string Shown(const Json& value) {
  if (value.is_number() || value.is_boolean()) return value.dump();
  return value.is_array() ? "a list" : value.is_object() ? "an object" : value.is_string() ? "a text" : "null";
}

// Brackets open at once, outside of texts.
size_t Depth(std::string_view json) {
  size_t open = 0, most = 0;
  bool in_text = false;
  for (size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (in_text) {
      if (c == '\\') ++at;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      most = std::max(most, ++open);
    } else if ((c == ']' || c == '}') && open > 0) {
      --open;
    }
  }
  return most;
}

bool IsOff(const Json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0;
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

bool FitsInteger(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= uint64_t{INT64_MAX};
  if (value.is_number_integer()) return true;
  // 16.0 is what some clients write for 16.
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return std::abs(number) < 9e15 && number == std::floor(number);
}

int64_t ToInteger(const Json& value) {
  return value.is_number_float() ? static_cast<int64_t>(value.get<double>()) : value.get<int64_t>();
}

}  // namespace

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

const Json* Fields::Any(std::string_view name) {
  asked_.emplace(name);
  return FindMember(object_, name);
}

std::optional<bool> Fields::Bool(std::string_view name) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(name, Cat("is ", Shown(*value), ", true or false is expected"));
  return std::nullopt;
}

std::optional<int64_t> Fields::Integer(std::string_view name, int64_t low, int64_t high) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (FitsInteger(*value) && ToInteger(*value) >= low && ToInteger(*value) <= high) return ToInteger(*value);
  Refuse(name, Cat("is ", Shown(*value), ", a whole number from ", low, " to ", high, " is expected"));
  return std::nullopt;
}

std::optional<double> Fields::Number(std::string_view name, double low, double high) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  // Not a number fails both comparisons.
  if (value->is_number() && value->get<double>() >= low && value->get<double>() <= high) return value->get<double>();
  Refuse(name, Cat("is ", Shown(*value), ", a number from ", low, " to ", high, " is expected"));
  return std::nullopt;
}

std::optional<std::string> Fields::Text(std::string_view name, size_t most_bytes) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Refuse(name, Cat("is ", Shown(*value), ", a text is expected"));
    return std::nullopt;
  }
  const std::string& text = value->get_ref<const std::string&>();
  if (text.size() <= most_bytes) return text;
  Refuse(name, Cat("has ", text.size(), " bytes, at most ", most_bytes, " are taken"));
  return std::nullopt;
}

const Json* Fields::Object(std::string_view name) {
  const Json* value = Any(name);
  if (value == nullptr || value->is_object()) return value;
  Refuse(name, Cat("is ", Shown(*value), ", an object is expected"));
  return nullptr;
}

const Json* Fields::List(std::string_view name, size_t most) {
  const Json* value = Any(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    Refuse(name, Cat("is ", Shown(*value), ", a list is expected"));
    return nullptr;
  }
  if (value->size() <= most) return value;
  Refuse(name, Cat("has ", value->size(), " entries, at most ", most, " are taken"));
  return nullptr;
}

void Fields::Ignore(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) asked_.emplace(name);
}

void Fields::RefuseUnlessOff(std::initializer_list<std::string_view> names, std::string_view why) {
  for (const std::string_view name : names) {
    const Json* value = Any(name);
    if (value != nullptr && !IsOff(*value)) Refuse(name, why);
  }
}

void Fields::Refuse(std::string_view name, std::string_view why) {
  Refuse(WrongField(Where(name), Cat("`", Where(name), "` ", why)));
}

void Fields::Refuse(ApiError error) {
  if (!error_) error_ = std::move(error);
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> names;
  if (!object_.is_object()) return names;
  for (const auto& [name, value] : object_.items()) {
    if (!asked_.contains(name)) names.push_back(Where(name.substr(0, kLongestShownName)));
  }
  return names;
}

ApiResult<std::vector<int32_t>> TokenIds(const Json& list, size_t vocab, std::string_view where) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& entry : list) {
    if (!entry.is_number_integer() || !FitsInteger(entry) || ToInteger(entry) < 0 ||
        ToInteger(entry) >= static_cast<int64_t>(vocab)) {
      const std::string place = Cat(where, "[", ids.size(), "]");
      return tl::unexpected(WrongField(
          place, Cat("`", place, "` is ", Shown(entry), ", a token id from 0 to ", vocab - 1, " is expected")));
    }
    ids.push_back(static_cast<int32_t>(ToInteger(entry)));
  }
  return ids;
}

ApiResult<Json> ParseBody(std::string_view body) {
  if (Depth(body) > kBodyDepth)
    return tl::unexpected(WrongField("", Cat("the request's body is JSON of more than ", kBodyDepth, " levels")));
  Result<Json> json = ParseJson(body, "the request's body");
  if (!json) return tl::unexpected(FromError(json.error()));
  if (!json->is_object())
    return tl::unexpected(WrongField("", Cat("the request's body is ", Shown(*json), ", a JSON object is expected")));
  return std::move(*json);
}

}  // namespace octet::serve
