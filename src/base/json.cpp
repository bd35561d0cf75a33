#include "base/json.h"

namespace octet {
namespace {

constexpr int kMaximumDepth = 128;

tl::unexpected<Error> WrongType(std::string_view where, std::string_view key, std::string_view expected,
                                const Json* found) {
  if (found == nullptr) return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is missing, ", expected, " is expected");
  return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", found->type_name(), ", ", expected, " is expected");
}

}  // namespace

Result<Json> ParseJson(std::string_view text, std::string_view where) {
  bool too_deep = false;
  const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaximumDepth) too_deep = true;
    return !too_deep;
  };
  try {
    Json json = Json::parse(text, bounded);
    if (too_deep) return Fail(ErrorCode::kCorrupt, where, ": JSON is nested deeper than ", kMaximumDepth, " levels");
    return json;
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorrupt, where, ": not JSON: ", error.what());
  }
}

const Json* FindMember(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<int64_t> GetInteger(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_number_integer()) return WrongType(where, key, "an integer", member);
  if (member->is_number_unsigned() && member->get<uint64_t>() > uint64_t{INT64_MAX}) {
    return Fail(ErrorCode::kCorrupt, where, ": `", key, "` is ", member->get<uint64_t>(), ", beyond 64 signed bits");
  }
  return member->get<int64_t>();
}

Result<double> GetNumber(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_number()) return WrongType(where, key, "a number", member);
  return member->get<double>();
}

Result<bool> GetBool(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_boolean()) return WrongType(where, key, "true or false", member);
  return member->get<bool>();
}

Result<std::string> GetString(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_string()) return WrongType(where, key, "a string", member);
  return member->get<std::string>();
}

}  // namespace octet
