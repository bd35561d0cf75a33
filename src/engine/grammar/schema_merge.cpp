#include "engine/grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace octet::grammar {
namespace {

constexpr std::array<std::string_view, 14> kAnnotations = {
    "title",       "description", "default",   "examples",        "$schema",          "$id",       "$comment", "$defs",
    "definitions", "readOnly",    "writeOnly", "contentEncoding", "contentMediaType", "deprecated"};

tl::unexpected<Error> CantMerge(std::string_view where, std::string_view keyword) {
  return Fail(ErrorCode::kUnsupported, where, ": two different `", keyword,
              "` that must both hold can't be made one; write them as one schema");
}

// The types of both, a whole number being a number, too.
Json CommonTypes(const Json& a, const Json& b) {
  const auto list = [](const Json& types) { return types.is_array() ? types : Json::array({types}); };
  const Json left = list(a), right = list(b);
  const auto has = [](const Json& types, const Json& type) {
    return std::find(types.begin(), types.end(), type) != types.end() ||
           (type == "integer" && std::find(types.begin(), types.end(), "number") != types.end());
  };
  Json common = Json::array();
  for (const Json& type : left) {
    if (has(right, type)) common.push_back(type);
  }
  for (const Json& type : right) {
    if (has(left, type) && !has(common, type)) common.push_back(type);
  }
  return common;
}

Json BothHold(const Json& a, const Json& b) {
  if (a == b || b == true) return a;
  if (a == true) return b;
  return {{"allOf", Json::array({a, b})}};
}

Json CommonValues(const Json& a, const Json& b) {
  Json common = Json::array();
  for (const Json& value : a) {
    if (std::find(b.begin(), b.end(), value) != b.end()) common.push_back(value);
  }
  return common;
}

Json JoinedNames(const Json& a, const Json& b) {
  Json joined = a;
  for (const Json& name : b) {
    if (std::find(joined.begin(), joined.end(), name) == joined.end()) joined.push_back(name);
  }
  return joined;
}

Json JoinedProperties(const Json& a, const Json& b) {
  Json joined = a;
  for (const auto& [name, schema] : b.items()) {
    const auto known = joined.find(name);
    if (known == joined.end())
      joined[name] = schema;
    else
      *known = BothHold(*known, schema);
  }
  return joined;
}

bool IsOneOf(std::string_view keyword, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), keyword) != list.end();
}

// `additionalProperties` counts the names beside it alone, so that names from elsewhere would change what it means.
Status CheckAdditional(const Json& closed, const Json& other, std::string_view where) {
  const Json* additional = FindMember(closed, "additionalProperties");
  if (additional == nullptr || *additional == true) return {};
  const Json* own = FindMember(closed, "properties");
  const Json* names = FindMember(other, "properties");
  if (names == nullptr || !names->is_object()) return {};
  for (const auto& [name, schema] : names->items()) {
    if (own != nullptr && own->is_object() && own->contains(name)) continue;
    return Fail(ErrorCode::kUnsupported, where,
                ": `additionalProperties` beside a schema that must hold, too, and has the "
                "property `",
                name, "` is not supported; name all properties where `additionalProperties` stands");
  }
  return {};
}

Result<Json> MergeValues(std::string_view keyword, const Json& a, const Json& b, std::string_view where) {
  const bool numbers = a.is_number() && b.is_number(), lists = a.is_array() && b.is_array();
  if (keyword == "type") return CommonTypes(a, b);
  if (keyword == "enum" && lists) return CommonValues(a, b);
  if ((keyword == "required" || keyword == "allOf") && lists) return JoinedNames(a, b);
  if (keyword == "properties" && a.is_object() && b.is_object()) return JoinedProperties(a, b);
  if (IsOneOf(keyword, {"items", "additionalProperties"})) return BothHold(a, b);
  if (numbers && IsOneOf(keyword, {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}))
    return a < b ? b : a;
  if (numbers && IsOneOf(keyword, {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}))
    return a < b ? a : b;
  return CantMerge(where, keyword);
}

}  // namespace

bool IsAnnotation(std::string_view keyword) {
  return std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end();
}

Result<Json> MergeSchemas(const Json& a, const Json& b, std::string_view where) {
  if (a == false || b == false) return Json(false);
  if (a == true || a == b) return b;
  if (b == true) return a;
  OCTET_TRY(CheckAdditional(a, b, where));
  OCTET_TRY(CheckAdditional(b, a, where));
  // `items` counts from behind `prefixItems` on.
  const auto prefix = [](const Json& schema) {
    return schema.contains("prefixItems") ? schema["prefixItems"] : Json();
  };
  if ((a.contains("items") || b.contains("items")) && prefix(a) != prefix(b)) return CantMerge(where, "prefixItems");
  Json merged = a;
  for (const auto& [keyword, value] : b.items()) {
    const auto known = merged.find(keyword);
    if (known == merged.end())
      merged[keyword] = value;
    else if (*known != value && !IsAnnotation(keyword))
      *known = OCTET_TRY(MergeValues(keyword, *known, value, where));
  }
  return merged;
}

}  // namespace octet::grammar
