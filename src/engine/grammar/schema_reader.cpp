#include "engine/grammar/schema_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/grammar/schema_context.h"
#include "engine/grammar/schema_merge.h"
#include "engine/grammar/schema_objects.h"
#include "engine/grammar/schema_scalars.h"

namespace octet::grammar {
namespace {

constexpr size_t kMostSchemas = 10'000;
constexpr size_t kMostMerges = 1'000;  // of one schema

constexpr std::array<std::string_view, 6> kTypes = {"object", "array", "string", "number", "boolean", "null"};

// Keywords that hold for one type alone.
constexpr std::array<std::string_view, 19> kTypeKeywords = {
    "properties",       "required",         "additionalProperties",
    "minProperties",    "maxProperties",    "items",
    "prefixItems",      "minItems",         "maxItems",
    "minLength",        "maxLength",        "pattern",
    "format",           "minimum",          "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "type",
    "uniqueItems"};

bool IsTypeKeyword(std::string_view keyword) {
  return std::find(kTypeKeywords.begin(), kTypeKeywords.end(), keyword) != kTypeKeywords.end();
}

// Whether a value is of a type by name, a whole number being a number, too.
bool HasType(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "integer")
    return value.is_number_integer() || (value.is_number() && value == std::floor(value.get<double>()));
  return value.is_number();
}

class SchemaReader : public SchemaContext {
 public:
  SchemaReader(const Json& root, Grammar& rules, const GrammarLimits& bounds)
      : SchemaContext(rules, bounds), root_(root) {}

  RuleId RuleOf(const SchemaPlace& place) override {
    const auto [known, is_new] = rules_.try_emplace(place.schema, 0);
    if (is_new) {
      known->second = grammar.AddRule(place.path);
      waiting_.push_back(place);
    }
    return known->second;
  }

  Result<RuleId> Run() {
    const RuleId root = RuleOf({&root_, "#"});
    for (; !waiting_.empty(); waiting_.pop_front()) {
      if (rules_.size() > kMostSchemas)
        return Fail(ErrorCode::kInvalidArgument, "the schema has ", rules_.size(), " schemas inside, the limit is ",
                    kMostSchemas);
      const SchemaPlace place = waiting_.front();
      const NodeId node = OCTET_TRY(Read(place));
      grammar.SetRule(rules_.at(place.schema), node);
    }
    return root;
  }

 private:
  Result<NodeId> Read(SchemaPlace place);
  Result<NodeId> ReadTypes(const SchemaPlace& place);
  Result<NodeId> ReadType(const SchemaPlace& place, std::string_view type);
  Result<NodeId> ReadValues(const SchemaPlace& place);
  Result<NodeId> ReadBranches(const SchemaPlace& place, std::string_view keyword);
  // The schema without `allOf`, and without `$ref` where others stand beside it.
  Result<SchemaPlace> Flatten(SchemaPlace place);
  Result<SchemaPlace> Target(const SchemaPlace& place);
  Status CheckKeywords(const SchemaPlace& place);
  const Json* Keep(Json schema) {
    made_.push_back(std::move(schema));
    return &made_.back();
  }

  const Json& root_;
  std::unordered_map<const Json*, RuleId> rules_;
  std::deque<SchemaPlace> waiting_;
  std::deque<Json> made_;  // schemas that stand nowhere in the root; a deque doesn't move them
};

// Keywords beside one that says something of their own.
bool HasOthers(const Json& schema, std::string_view keyword) {
  for (const auto& [name, value] : schema.items()) {
    if (name != keyword && !IsAnnotation(name)) return true;
  }
  return false;
}

Json Without(const Json& schema, std::string_view keyword) {
  Json rest = Json::object();
  for (const auto& [name, value] : schema.items()) {
    if (name != keyword && !IsAnnotation(name)) rest[name] = value;
  }
  return rest;
}

Result<SchemaPlace> SchemaReader::Target(const SchemaPlace& place) {
  const SchemaPlace at = place.At("$ref");
  if (!at.schema->is_string()) return Malformed(at, "a string");
  const std::string text = at.schema->get<std::string>();
  if (!text.starts_with('#') || text.find('%') != std::string::npos)
    return Unsupported(at, Cat("`", text, "`; only references inside the schema are, as in #/$defs/name"));
  if (text == "#") return SchemaPlace{&root_, text};
  const Json* now = &root_;
  for (size_t begin = 1; begin < text.size();) {
    if (text[begin] != '/')
      return Unsupported(at, Cat("`", text, "`; only references by path are, as in #/$defs/name"));
    const size_t end = std::min(text.find('/', begin + 1), text.size());
    std::string name;
    for (size_t i = begin + 1; i < end; ++i) {
      const bool escaped = text[i] == '~' && i + 1 < end && (text[i + 1] == '0' || text[i + 1] == '1');
      name += escaped ? (text[++i] == '0' ? '~' : '/') : text[i];
    }
    const Json* next = nullptr;
    if (now->is_object() && now->contains(name)) next = &(*now)[name];
    const bool is_number =
        !name.empty() && name.size() < 7 && name.find_first_not_of("0123456789") == std::string::npos;
    if (now->is_array() && is_number && std::stoul(name) < now->size()) next = &(*now)[std::stoul(name)];
    if (next == nullptr) return Fail(ErrorCode::kInvalidArgument, at.path, ": `", text, "` is not in the schema");
    now = next;
    begin = end;
  }
  if (!now->is_object() && !now->is_boolean()) return Malformed({now, text}, "a schema");
  return SchemaPlace{now, text};
}

Result<SchemaPlace> SchemaReader::Flatten(SchemaPlace place) {
  for (size_t merges = 0;; ++merges) {
    if (merges > kMostMerges) {
      return Fail(ErrorCode::kInvalidArgument, place.path, ": `allOf` and `$ref` lead to ", merges,
                  " schemas that must hold together, the limit is ", kMostMerges);
    }
    if (!place.schema->is_object()) return place;
    const Json& schema = *place.schema;
    if (schema.contains("$ref") && HasOthers(schema, "$ref")) {
      const SchemaPlace target = OCTET_TRY(Target(place));
      place.schema = Keep(OCTET_TRY(MergeSchemas(Without(schema, "$ref"), *target.schema, place.path)));
    } else if (schema.contains("allOf")) {
      const SchemaPlace at = place.At("allOf");
      if (!at.schema->is_array() || at.schema->empty()) return Malformed(at, "a list of schemas");
      Json merged = Without(schema, "allOf");
      for (size_t i = 0; i < at.schema->size(); ++i) {
        SchemaPlace part = {&(*at.schema)[i], Cat(at.path, "/", i)};
        if (!part.schema->is_object() && !part.schema->is_boolean()) return Malformed(part, "a schema");
        // References of two parts can't be compared; what they point at can.
        if (part.schema->is_object() && part.schema->contains("$ref") && !HasOthers(*part.schema, "$ref"))
          part = OCTET_TRY(Target(part));
        merged = OCTET_TRY(MergeSchemas(merged, *part.schema, at.path));
      }
      place.schema = Keep(std::move(merged));
    } else {
      return place;
    }
  }
}

Status SchemaReader::CheckKeywords(const SchemaPlace& place) {
  for (const auto& [keyword, value] : place.schema->items()) {
    const bool known = IsAnnotation(keyword) || IsTypeKeyword(keyword) || keyword == "$ref" || keyword == "enum" ||
                       keyword == "const" || keyword == "anyOf" || keyword == "oneOf";
    if (!known) return Unsupported(place.At(keyword), "as a keyword");
    if (IsTypeKeyword(keyword) && value.is_null()) return Malformed(place.Inside(keyword, value), "a value");
    if (keyword == "uniqueItems" && value != false) return Unsupported(place.At(keyword), "other than false");
    if (keyword == "$id" && place.schema != &root_) return Unsupported(place.At(keyword), "inside a schema");
  }
  return {};
}

Result<NodeId> SchemaReader::Read(SchemaPlace place) {
  place = OCTET_TRY(Flatten(std::move(place)));
  if (*place.schema == true) return grammar.Call(json.value());
  if (*place.schema == false) return grammar.Choice({});
  if (!place.schema->is_object()) return Malformed(place, "a schema (an object, true or false)");
  OCTET_TRY(CheckKeywords(place));
  if (place.schema->contains("$ref")) return grammar.Call(RuleOf(OCTET_TRY(Target(place))));
  if (place.schema->contains("anyOf")) return ReadBranches(place, "anyOf");
  if (place.schema->contains("oneOf")) return ReadBranches(place, "oneOf");
  if (place.schema->contains("enum") || place.schema->contains("const")) return ReadValues(place);
  return ReadTypes(place);
}

// What stands beside the branches must hold in each of them.
Result<NodeId> SchemaReader::ReadBranches(const SchemaPlace& place, std::string_view keyword) {
  const SchemaPlace at = place.At(keyword);
  if (!at.schema->is_array() || at.schema->empty()) return Malformed(at, "a list of schemas");
  const bool alone = !HasOthers(*place.schema, keyword);
  const Json rest = Without(*place.schema, keyword);
  std::vector<NodeId> ways;
  for (size_t i = 0; i < at.schema->size(); ++i) {
    const Json& branch = (*at.schema)[i];
    const std::string path = Cat(at.path, "/", i);
    if (alone)
      ways.push_back(grammar.Call(RuleOf({&branch, path})));
    else
      ways.push_back(grammar.Call(RuleOf({Keep({{"allOf", Json::array({rest, branch})}}), path})));
  }
  return grammar.Choice(ways);
}

Result<NodeId> SchemaReader::ReadValues(const SchemaPlace& place) {
  Json values = Json::array();
  if (const auto list = place.schema->find("enum"); list != place.schema->end()) {
    if (!list->is_array() || list->empty()) return Malformed(place.At("enum"), "a list of values");
    values = *list;
  }
  if (const auto only = place.schema->find("const"); only != place.schema->end()) {
    const bool listed =
        !place.schema->contains("enum") || std::find(values.begin(), values.end(), *only) != values.end();
    values = listed ? Json::array({*only}) : Json::array();
  }
  const Json* type = FindMember(*place.schema, "type");
  std::vector<NodeId> ways;
  for (const Json& value : values) {
    if (type != nullptr) {
      const Json types = type->is_array() ? *type : Json::array({*type});
      if (std::none_of(types.begin(), types.end(),
                       [&](const Json& t) { return t.is_string() && HasType(value, t.get<std::string>()); }))
        continue;
    }
    ways.push_back(ValueNode(value, *this));
  }
  for (const auto& [keyword, value] : place.schema->items()) {
    if (IsTypeKeyword(keyword) && keyword != "type")
      return Unsupported(place.At(keyword), "beside `enum` or `const`; leave out the values that it forbids");
  }
  return grammar.Choice(ways);
}

Result<NodeId> SchemaReader::ReadTypes(const SchemaPlace& place) {
  const Json* given = FindMember(*place.schema, "type");
  bool says_nothing = true;
  for (const auto& [keyword, value] : place.schema->items()) says_nothing = says_nothing && !IsTypeKeyword(keyword);
  if (says_nothing) return grammar.Call(json.value());
  std::vector<std::string> types(kTypes.begin(), kTypes.end());
  if (given != nullptr) {
    types.clear();
    const Json list = given->is_array() ? *given : Json::array({*given});
    for (const Json& type : list) {
      const std::string name = type.is_string() ? type.get<std::string>() : std::string();
      if (name != "integer" && std::find(kTypes.begin(), kTypes.end(), name) == kTypes.end())
        return Malformed(place.At("type"), "object, array, string, number, integer, boolean, null or a list of them");
      types.push_back(name);
    }
  }
  std::vector<NodeId> ways;
  for (const std::string& type : types) ways.push_back(OCTET_TRY(ReadType(place, type)));
  return grammar.Choice(ways);
}

Result<NodeId> SchemaReader::ReadType(const SchemaPlace& place, std::string_view type) {
  if (type == "object") return ObjectNode(place, *this);
  if (type == "array") return ArrayNode(place, *this);
  if (type == "string") return StringNode(place, *this);
  if (type == "boolean") return grammar.Choice({grammar.Literal("true"), grammar.Literal("false")});
  if (type == "null") return grammar.Literal("null");
  return NumberNode(place, /*whole=*/type == "integer", *this);
}

}  // namespace

SchemaPlace SchemaPlace::At(std::string_view keyword) const { return Inside(keyword, schema->find(keyword).value()); }

SchemaPlace SchemaPlace::Inside(std::string_view keyword, const Json& value) const {
  std::string name;
  for (const char c : keyword) name += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
  return {&value, Cat(path, "/", name)};
}

Result<std::optional<uint32_t>> CountOf(const SchemaPlace& place, std::string_view keyword) {
  const Json* value = FindMember(*place.schema, keyword);
  if (value == nullptr) return std::nullopt;
  const bool whole =
      value->is_number_integer() || (value->is_number() && std::floor(value->get<double>()) == value->get<double>());
  if (!whole || *value < 0) return Malformed(place.At(keyword), "a whole number of 0 or more");
  constexpr double kMostCount = 1e9;
  return static_cast<uint32_t>(std::min(kMostCount, value->get<double>()));
}

tl::unexpected<Error> Unsupported(const SchemaPlace& place, std::string_view why) {
  const size_t slash = place.path.rfind('/');
  return Fail(ErrorCode::kUnsupported, place.path, ": `",
              slash == std::string::npos ? place.path : place.path.substr(slash + 1), "` is not supported ", why);
}

tl::unexpected<Error> Malformed(const SchemaPlace& place, std::string_view expected) {
  return Fail(ErrorCode::kInvalidArgument, place.path, ": ", place.schema->type_name(), ", ", expected, " is expected");
}

Result<RuleId> AddSchema(std::string_view text, Grammar& grammar, const GrammarLimits& limits) {
  if (text.size() > limits.source_bytes)
    return Fail(ErrorCode::kInvalidArgument, "the schema has ", text.size(), " bytes, the limit is ",
                limits.source_bytes);
  Result<Json> root = ParseJson(text, "the schema");
  if (!root) return Fail(ErrorCode::kInvalidArgument, root.error().message);
  return SchemaReader(*root, grammar, limits).Run();
}

}  // namespace octet::grammar
