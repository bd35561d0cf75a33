#include "models/config_fields.h"

#include <cmath>

#include "base/json_text.h"

namespace octet {
namespace {

// The scalar as a user would recognise it, cut short.
std::string Shown(const Json& value) {
  if (value.is_structured()) return value.type_name();
  std::string text = Dump(value);
  return text.size() <= 40 ? text : text.substr(0, 37) + "...";
}

}  // namespace

const Json* ConfigFields::Find(std::string_view key) const {
  if (config_.contains(key)) return FindMember(config_, key);
  return FindMember(defaults_, key);
}

Result<size_t> ConfigFields::Size(std::string_view key, size_t limit) const {
  const Json* value = Find(key);
  if (value == nullptr) return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is missing, an integer is expected");
  const bool in_range = value->is_number_integer() && (value->is_number_unsigned() || value->get<int64_t>() > 0) &&
                        value->get<uint64_t>() >= 1 && value->get<uint64_t>() <= limit;
  if (!in_range) {
    return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is ", Shown(*value), ", expected an integer of 1 to ",
                limit);
  }
  return value->get<size_t>();
}

Result<std::optional<size_t>> ConfigFields::OptionalSize(std::string_view key, size_t limit) const {
  if (Find(key) == nullptr) return std::optional<size_t>();
  return std::optional<size_t>(OCTET_TRY(Size(key, limit)));
}

Result<double> ConfigFields::Positive(std::string_view key) const {
  const Json* value = Find(key);
  if (value == nullptr) return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is missing, a number is expected");
  const double number = value->is_number() ? value->get<double>() : 0;
  if (!std::isfinite(number) || number <= 0) {
    return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is ", Shown(*value), ", expected a number above 0");
  }
  return number;
}

Result<double> ConfigFields::NonNegative(std::string_view key) const {
  const Json* value = Find(key);
  if (value == nullptr) return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is missing, a number is expected");
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!std::isfinite(number) || number < 0) {
    return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is ", Shown(*value), ", expected a number of 0 or more");
  }
  return number;
}

Result<std::optional<double>> ConfigFields::OptionalPositive(std::string_view key) const {
  if (Find(key) == nullptr) return std::optional<double>();
  return std::optional<double>(OCTET_TRY(Positive(key)));
}

Result<bool> ConfigFields::Flag(std::string_view key) const {
  const Json* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is ", Shown(*value), ", expected true or false");
  }
  return value->get<bool>();
}

Result<std::string> ConfigFields::Text(std::string_view key) const {
  const Json* value = Find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) {
    return Fail(ErrorCode::kCorrupt, where_, ": `", key, "` is ", Shown(*value), ", expected a string");
  }
  return value->get<std::string>();
}

}  // namespace octet
