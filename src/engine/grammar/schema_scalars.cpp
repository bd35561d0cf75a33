#include "engine/grammar/schema_scalars.h"

#include <cmath>
#include <utility>
#include <vector>

#include "engine/grammar/decimal_range.h"
#include "engine/grammar/regex_parser.h"
#include "engine/grammar/string_formats.h"

namespace octet::grammar {
namespace {

constexpr double kMostExact = 9007199254740992.0;  // 2^53

struct Bound {
  int64_t value = 0;
  bool open = false;  // the value itself is outside
};

// A lower (sign 1) or upper (sign -1) bound. Whole numbers may have any bound, others a whole one.
Result<std::optional<Bound>> ReadBound(const SchemaPlace& place, std::string_view keyword, bool open, bool whole,
                                       int sign) {
  const Json* value = FindMember(*place.schema, keyword);
  if (value == nullptr) return std::nullopt;
  const SchemaPlace at = place.At(keyword);
  if (!value->is_number()) return Malformed(at, "a number");
  if (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX})
    return Unsupported(at, "a bound beyond 64 bits");
  if (value->is_number_integer()) return Bound{value->get<int64_t>(), open};
  const double number = value->get<double>();
  if (!(std::abs(number) <= kMostExact))
    return Unsupported(at, "a bound beyond 2^53 that isn't written as a whole number");
  const double rounded = sign > 0 ? std::ceil(number) : std::floor(number);
  if (rounded != number && !whole) return Unsupported(at, "a bound with a fraction on numbers with fractions");
  return Bound{static_cast<int64_t>(rounded), open && rounded == number};
}

// The narrower of two.
std::optional<Bound> Narrower(std::optional<Bound> a, std::optional<Bound> b, int sign) {
  if (!a || !b) return a ? a : b;
  if (a->value != b->value) return (a->value > b->value) == (sign > 0) ? a : b;
  return a->open ? a : b;
}

// An open bound of whole numbers as one that is inside. Absent where there is no such number.
std::optional<int64_t> Inside(const Bound& bound, int sign) {
  int64_t value = bound.value;
  if (bound.open && __builtin_add_overflow(value, int64_t{sign}, &value)) return std::nullopt;
  return value;
}

Result<NodeId> PatternNode(const SchemaPlace& at, std::string_view pattern, bool whole, SchemaContext& context) {
  Grammar& grammar = context.grammar;
  Result<NodeId> node =
      ParseRegex(pattern, grammar, {.whole = whole, .spell = JsonCharacter, .limits = context.limits});
  if (!node) return Prefixed(node.error(), at.path + ": ");
  return grammar.Sequence({grammar.Literal("\""), *node, grammar.Literal("\"")});
}

}  // namespace

Result<NodeId> StringNode(const SchemaPlace& place, SchemaContext& context) {
  const std::optional<uint32_t> min = OCTET_TRY(CountOf(place, "minLength"));
  const std::optional<uint32_t> max = OCTET_TRY(CountOf(place, "maxLength"));
  const Json* pattern = FindMember(*place.schema, "pattern");
  const Json* format = FindMember(*place.schema, "format");
  if (pattern == nullptr && format == nullptr) {
    if (!min && !max) return context.grammar.Call(context.json.string());
    if (max && min.value_or(0) > *max) return context.grammar.Choice({});
    return context.json.String(min.value_or(0), max.value_or(kUnlimited));
  }
  const SchemaPlace at = place.At(pattern != nullptr ? "pattern" : "format");
  if (pattern != nullptr && format != nullptr) return Unsupported(at, "beside `format`");
  if (min || max) return Unsupported(at, "beside `minLength` or `maxLength`; write the length into the pattern");
  const Json& text = pattern != nullptr ? *pattern : *format;
  if (!text.is_string()) return Malformed(at, "a string");
  if (pattern != nullptr) return PatternNode(at, text.get<std::string>(), /*whole=*/false, context);
  const std::string known = FormatPattern(text.get<std::string>());
  if (known.empty()) return Unsupported(at, Cat("`", text.get<std::string>(), "`; ", kFormatNames, " are"));
  return PatternNode(at, known, /*whole=*/true, context);
}

Result<NodeId> NumberNode(const SchemaPlace& place, bool whole, SchemaContext& context) {
  const auto low = Narrower(OCTET_TRY(ReadBound(place, "minimum", false, whole, 1)),
                            OCTET_TRY(ReadBound(place, "exclusiveMinimum", true, whole, 1)), 1);
  const auto high = Narrower(OCTET_TRY(ReadBound(place, "maximum", false, whole, -1)),
                             OCTET_TRY(ReadBound(place, "exclusiveMaximum", true, whole, -1)), -1);
  if (!low && !high) return whole ? context.json.Integer() : context.json.Number();
  if (!whole) {
    NumberBounds bounds;
    if (low) bounds.low = low->value, bounds.low_is_open = low->open;
    if (high) bounds.high = high->value, bounds.high_is_open = high->open;
    return NumberBetween(context.grammar, bounds);
  }
  std::optional<int64_t> from, to;
  if (low && !(from = Inside(*low, 1))) return context.grammar.Choice({});
  if (high && !(to = Inside(*high, -1))) return context.grammar.Choice({});
  return IntegerBetween(context.grammar, from, to);
}

// The library's text has no white space and one spelling of each string, which this follows but for control characters,
// whose digits may be large or small.
NodeId ValueNode(const Json& value, SchemaContext& context) {
  Grammar& grammar = context.grammar;
  const std::string text = value.dump();
  std::vector<NodeId> parts;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      size_t end = at + 1;
      while (text[end] != '"') end += text[end] == '\\' ? 2u : 1u;
      const Json string = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                      text.begin() + static_cast<std::ptrdiff_t>(end + 1), nullptr, false);
      parts.push_back(context.json.Quoted(string.get<std::string>()));
      at = end + 1;
      continue;
    }
    const size_t end =
        std::string_view("[]{},:").find(c) != std::string_view::npos ? at + 1 : text.find_first_of("[]{},:", at);
    const std::string_view token = std::string_view(text).substr(at, end - at);
    const bool opens = c == '[' || c == '{', closes = c == ']' || c == '}', parts_two = c == ',' || c == ':';
    const bool was_empty = closes && at > 0 && (text[at - 1] == '[' || text[at - 1] == '{');
    if (parts_two || (closes && !was_empty)) parts.push_back(context.json.WhiteSpace());
    parts.push_back(grammar.Literal(token));
    if (parts_two || opens) parts.push_back(context.json.WhiteSpace());
    at += token.size();
  }
  return grammar.Sequence(parts);
}

}  // namespace octet::grammar
