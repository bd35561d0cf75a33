#include "engine/grammar/schema_objects.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "text/utf8.h"

namespace octet::grammar {
namespace {

constexpr size_t kMostCountedRules = 100'000;

const Json& TrueSchema() {
  static const Json schema = true;
  return schema;
}

const Json& FalseSchema() {
  static const Json schema = false;
  return schema;
}

// The keyword's schema, or the one that says nothing.
SchemaPlace SchemaOr(const SchemaPlace& place, std::string_view keyword) {
  const auto found = place.schema->find(keyword);
  return found == place.schema->end() ? SchemaPlace{&TrueSchema(), place.path} : place.At(keyword);
}

// A quoted name that is none of `names`, in the one spelling that they have, too.
class OtherName {
 public:
  OtherName(SchemaContext& context, const std::vector<std::string>& names) : grammar_(context.grammar) {
    const NodeId any = grammar_.Repeat(JsonCharacter(grammar_, CodePointSet::All()), 0, kUnlimited);
    rest_ = grammar_.AddRule("rest of a name", grammar_.Sequence({any, grammar_.Literal("\"")}));
    for (const std::string& name : names) Insert(name);
    for (Part& part : parts_) part.rule = grammar_.AddRule("other name");
    for (const Part& part : parts_) grammar_.SetRule(part.rule, NodeOf(part));
  }
  NodeId Node() { return grammar_.Sequence({grammar_.Literal("\""), grammar_.Call(parts_[0].rule)}); }

 private:
  // A beginning of some of the names.
  struct Part {
    std::map<uint32_t, size_t> next;
    bool is_name = false;
    RuleId rule = 0;
  };

  void Insert(std::string_view name) {
    size_t part = 0;
    for (size_t at = 0; at < name.size();) {
      const Utf8Char c = DecodeUtf8(name, at);
      at += c.bytes;
      const auto [place, is_new] = parts_[part].next.try_emplace(c.code_point, parts_.size());
      part = place->second;
      if (is_new) parts_.emplace_back();
    }
    parts_[part].is_name = true;
  }

  NodeId NodeOf(const Part& part) {
    std::vector<NodeId> ways;
    std::vector<CodePointRange> taken;
    for (const auto& [c, next] : part.next) {
      ways.push_back(grammar_.Sequence({JsonCharacter(grammar_, {{c, c}}), grammar_.Call(parts_[next].rule)}));
      taken.push_back({c, c});
    }
    const NodeId other = JsonCharacter(grammar_, CodePointSet(std::move(taken)).Complement());
    ways.push_back(grammar_.Sequence({other, grammar_.Call(rest_)}));
    if (!part.is_name) ways.push_back(grammar_.Literal("\""));
    return grammar_.Choice(ways);
  }

  Grammar& grammar_;
  std::vector<Part> parts_ = std::vector<Part>(1);
  RuleId rest_ = 0;
};

struct Property {
  std::string name;
  SchemaPlace schema;
  bool required = false;
};

// What an object may hold, read and checked.
struct ObjectShape {
  std::vector<Property> properties;
  SchemaPlace additional;
  uint32_t min = 0;
  uint32_t max = kUnlimited;
  size_t required = 0;

  bool allows_others() const { return *additional.schema != false; }
};

Result<std::vector<std::string>> RequiredNames(const SchemaPlace& place) {
  std::vector<std::string> names;
  const Json* required = FindMember(*place.schema, "required");
  if (required == nullptr) return names;
  const SchemaPlace at = place.At("required");
  if (!required->is_array()) return Malformed(at, "a list of names");
  std::set<std::string> known;
  for (const Json& name : *required) {
    if (!name.is_string()) return Malformed(at, "a list of names");
    if (known.insert(name.get<std::string>()).second) names.push_back(name.get<std::string>());
  }
  return names;
}

Result<ObjectShape> ReadObject(const SchemaPlace& place) {
  ObjectShape shape;
  shape.additional = SchemaOr(place, "additionalProperties");
  const std::vector<std::string> required = OCTET_TRY(RequiredNames(place));
  std::set<std::string> missing(required.begin(), required.end());
  shape.required = required.size();
  if (const Json* properties = FindMember(*place.schema, "properties")) {
    const SchemaPlace at = place.At("properties");
    if (!properties->is_object()) return Malformed(at, "an object");
    for (const auto& [name, schema] : properties->items())
      shape.properties.push_back({name, at.Inside(name, schema), missing.erase(name) > 0});
  }
  for (const std::string& name : required) {
    if (missing.contains(name)) shape.properties.push_back({name, shape.additional, true});
  }
  shape.min = OCTET_TRY(CountOf(place, "minProperties")).value_or(0);
  shape.max = OCTET_TRY(CountOf(place, "maxProperties")).value_or(kUnlimited);
  // Of two others with the same name one counts; no automaton of bounded size knows which names were there.
  if (shape.allows_others() && shape.min > std::max<size_t>(shape.required, 1)) {
    return Unsupported(place.At("minProperties"),
                       Cat("above the ", shape.required,
                           " required names where other names "
                           "than those of `properties` are allowed; set `additionalProperties` to false"));
  }
  return shape;
}

// Rules for what stands between the braces from property `i` on, where `count` came before. A count beyond all bounds
// stays at the last one.
class ObjectBody {
 public:
  ObjectBody(const ObjectShape& shape, SchemaContext& context) : shape_(shape), context_(context) {
    const bool bounded =
        shape.max != kUnlimited && shape.max < shape.properties.size() + (shape.allows_others() ? kUnlimited / 2 : 0);
    counts_ = std::max<size_t>(shape.min, bounded ? shape.max : 0);
    counts_ = std::max<size_t>(counts_, 1) + 1;
    bounded_ = bounded;
  }

  // Rules that Add makes.
  size_t RuleCount() const { return (shape_.properties.size() + 1) * counts_; }

  RuleId Add() {
    Grammar& grammar = context_.grammar;
    const size_t properties = shape_.properties.size();
    first_ = static_cast<RuleId>(grammar.rule_count());
    for (size_t i = 0; i < RuleCount(); ++i) grammar.AddRule("members");
    for (size_t i = 0; i < properties; ++i) {
      const Property& property = shape_.properties[i];
      const NodeId pair = grammar.Sequence(
          {context_.json.Quoted(property.name), context_.json.Colon(), grammar.Call(context_.RuleOf(property.schema))});
      for (size_t count = 0; count < counts_; ++count) {
        std::vector<NodeId> ways;
        AddPair(pair, i + 1, count, ways);
        if (!property.required) ways.push_back(grammar.Call(RuleAt(i + 1, count)));
        grammar.SetRule(RuleAt(i, count), grammar.Choice(ways));
      }
    }
    AddOthers();
    return first_;
  }

 private:
  RuleId RuleAt(size_t property, size_t count) const {
    return static_cast<RuleId>(first_ + property * counts_ + count);
  }

  // One more member, then rule `next`; none where there are as many as may be.
  void AddPair(NodeId pair, size_t next, size_t count, std::vector<NodeId>& ways) {
    if (bounded_ && count >= shape_.max) return;
    const NodeId after = context_.grammar.Call(RuleAt(next, std::min(count + 1, counts_ - 1)));
    ways.push_back(count == 0 ? context_.grammar.Sequence({pair, after})
                              : context_.grammar.Sequence({context_.json.Comma(), pair, after}));
  }

  void AddOthers() {
    Grammar& grammar = context_.grammar;
    const size_t end = shape_.properties.size();
    std::optional<NodeId> pair;
    if (shape_.allows_others()) {
      std::vector<std::string> names;
      for (const Property& property : shape_.properties) names.push_back(property.name);
      const NodeId name = names.empty() ? grammar.Call(context_.json.string()) : OtherName(context_, names).Node();
      pair = grammar.Sequence({name, context_.json.Colon(), grammar.Call(context_.RuleOf(shape_.additional))});
    }
    for (size_t count = 0; count < counts_; ++count) {
      std::vector<NodeId> ways;
      if (count >= shape_.min) ways.push_back(grammar.Empty());
      if (pair) AddPair(*pair, end, count, ways);
      grammar.SetRule(RuleAt(end, count), grammar.Choice(ways));
    }
  }

  const ObjectShape& shape_;
  SchemaContext& context_;
  size_t counts_ = 0;
  bool bounded_ = false;
  RuleId first_ = 0;
};

}  // namespace

Result<NodeId> ObjectNode(const SchemaPlace& place, SchemaContext& context) {
  const ObjectShape shape = OCTET_TRY(ReadObject(place));
  ObjectBody body(shape, context);
  if (body.RuleCount() > kMostCountedRules) {
    return Fail(ErrorCode::kInvalidArgument, place.path, ": `minProperties` and `maxProperties` take ",
                body.RuleCount(), " rules, the limit is ", kMostCountedRules, "; make them smaller");
  }
  Grammar& grammar = context.grammar;
  const NodeId members = grammar.Call(body.Add());
  return grammar.Sequence(
      {grammar.Literal("{"), context.json.WhiteSpace(), members, context.json.WhiteSpace(), grammar.Literal("}")});
}

Result<NodeId> ArrayNode(const SchemaPlace& place, SchemaContext& context) {
  Grammar& grammar = context.grammar;
  const uint32_t min = OCTET_TRY(CountOf(place, "minItems")).value_or(0);
  const uint32_t max = OCTET_TRY(CountOf(place, "maxItems")).value_or(kUnlimited);
  const SchemaPlace items = SchemaOr(place, "items");
  if (items.schema->is_array())
    return Unsupported(items, "as a list; write `prefixItems`, and `items` for those behind them");
  std::vector<SchemaPlace> prefix;
  if (const Json* list = FindMember(*place.schema, "prefixItems")) {
    const SchemaPlace at = place.At("prefixItems");
    if (!list->is_array()) return Malformed(at, "a list of schemas");
    for (size_t i = 0; i < list->size() && i < max; ++i) prefix.push_back({&(*list)[i], Cat(at.path, "/", i)});
  }
  if (min > max) return grammar.Choice({});
  // From the last item to the first, each optional that needn't be there.
  NodeId tail = grammar.Empty();
  const auto first_count = static_cast<uint32_t>(prefix.size());
  if (first_count < max && (*items.schema != FalseSchema() || min > first_count)) {
    const NodeId item = grammar.Sequence({context.json.Comma(), grammar.Call(context.RuleOf(items))});
    // The first item of all has no comma before it.
    const uint32_t before = std::max(first_count, 1u);
    tail = grammar.Repeat(item, min > before ? min - before : 0,
                          max == kUnlimited ? kUnlimited : max - std::min(max, before));
    if (first_count == 0) prefix.push_back(items);
  }
  for (size_t i = prefix.size(); i-- > 0;) {
    const NodeId item = grammar.Call(context.RuleOf(prefix[i]));
    tail = i == 0 ? grammar.Sequence({item, tail}) : grammar.Sequence({context.json.Comma(), item, tail});
    if (i >= min) tail = grammar.Optional(tail);
  }
  return grammar.Sequence(
      {grammar.Literal("["), context.json.WhiteSpace(), tail, context.json.WhiteSpace(), grammar.Literal("]")});
}

}  // namespace octet::grammar
