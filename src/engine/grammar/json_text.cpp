#include "engine/grammar/json_text.h"

#include <array>
#include <vector>

#include "text/utf8.h"

namespace octet::grammar {
namespace {

constexpr uint32_t kMostIndent = 20;

const CodePointSet& HexDigits() {
  static const CodePointSet set = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
  return set;
}

// Characters that stand for themselves inside quotes.
const CodePointSet& PlainCharacters() {
  static const CodePointSet set = CodePointSet{{0x20, kLastCodePoint}}.Without({{'"', '"'}, {'\\', '\\'}});
  return set;
}

struct ShortEscape {
  uint32_t character;
  std::string_view text;
};
constexpr std::array<ShortEscape, 7> kShortEscapes = {
    {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}}};

CodePointSet HexDigit(uint32_t value) {
  if (value < 10) return {{'0' + value, '0' + value}};
  return {{'a' + value - 10, 'a' + value - 10}, {'A' + value - 10, 'A' + value - 10}};
}

}  // namespace

NodeId JsonCharacter(Grammar& grammar, const CodePointSet& set) {
  std::vector<NodeId> ways;
  CodePointSet plain = set.And(PlainCharacters());
  if (!plain.empty()) ways.push_back(grammar.Set(std::move(plain)));
  CodePointSet rest = set.Without(PlainCharacters());
  for (const ShortEscape& escape : kShortEscapes) {
    if (!rest.Contains(escape.character)) continue;
    ways.push_back(grammar.Literal(escape.text));
    rest = rest.Without({{escape.character, escape.character}});
  }
  // What is left is below 0x20.
  for (const uint32_t high : {0u, 1u}) {
    CodePointSet low;
    for (uint32_t digit = 0; digit < 16; ++digit) {
      if (rest.Contains(16 * high + digit)) low.Add(HexDigit(digit));
    }
    if (!low.empty())
      ways.push_back(grammar.Sequence({grammar.Literal(high == 0 ? "\\u000" : "\\u001"), grammar.Set(low)}));
  }
  return grammar.Choice(ways);
}

NodeId JsonText::Quoted(std::string_view text) {
  std::vector<NodeId> parts = {grammar_.Literal("\"")};
  std::string plain;
  const auto close_plain = [&] {
    if (!plain.empty()) parts.push_back(grammar_.Literal(plain));
    plain.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (PlainCharacters().Contains(c.code_point)) {
      plain += text.substr(at, c.bytes);
    } else {
      close_plain();
      parts.push_back(JsonCharacter(grammar_, {{c.code_point, c.code_point}}));
    }
    at += c.bytes;
  }
  plain += '"';
  close_plain();
  return grammar_.Sequence(parts);
}

NodeId JsonText::WhiteSpace() {
  if (!white_space_) {
    const NodeId indent = grammar_.Repeat(grammar_.Set({{' ', ' '}, {'\t', '\t'}}), 0, kMostIndent);
    const NodeId line = grammar_.Sequence({grammar_.Literal("\n"), indent});
    white_space_ = grammar_.AddRule("white space", grammar_.Choice({grammar_.Empty(), grammar_.Literal(" "), line}));
  }
  return grammar_.Call(*white_space_);
}

NodeId JsonText::Comma() {
  const NodeId before = WhiteSpace(), comma = grammar_.Literal(","), after = WhiteSpace();
  return grammar_.Sequence({before, comma, after});
}

NodeId JsonText::Colon() {
  const NodeId before = WhiteSpace(), colon = grammar_.Literal(":"), after = WhiteSpace();
  return grammar_.Sequence({before, colon, after});
}

NodeId JsonText::Integer() {
  const NodeId rest = grammar_.Repeat(grammar_.Set({{'0', '9'}}), 0, kUnlimited);
  const NodeId positive = grammar_.Sequence({grammar_.Set({{'1', '9'}}), rest});
  const NodeId sign = grammar_.Optional(grammar_.Literal("-"));
  return grammar_.Sequence({sign, grammar_.Choice({grammar_.Literal("0"), positive})});
}

NodeId JsonText::Number() {
  const NodeId digits = grammar_.Repeat(grammar_.Set({{'0', '9'}}), 1, kUnlimited);
  const NodeId fraction = grammar_.Optional(grammar_.Sequence({grammar_.Literal("."), digits}));
  const NodeId sign = grammar_.Optional(grammar_.Set({{'+', '+'}, {'-', '-'}}));
  const NodeId exponent = grammar_.Optional(grammar_.Sequence(
      {grammar_.Set({{'E', 'E'}, {'e', 'e'}}), sign, grammar_.Repeat(grammar_.Set({{'0', '9'}}), 1, 3)}));
  return grammar_.Sequence({Integer(), fraction, exponent});
}

// A character beyond U+FFFF may be two escapes, high surrogate first; a surrogate never stands alone.
NodeId JsonText::AnyCharacter() {
  Grammar& g = grammar_;
  const auto hex = [&](const CodePointSet& set) { return g.Set(set.And(HexDigits())); };
  const NodeId any = g.Set(HexDigits());
  const NodeId d = g.Set({{'D', 'D'}, {'d', 'd'}});
  const CodePointSet high = {{'8', '9'}, {'A', 'B'}, {'a', 'b'}}, low = {{'C', 'F'}, {'c', 'f'}};
  const NodeId other = g.Set(HexDigits().Without({{'D', 'D'}, {'d', 'd'}}));
  const NodeId in_plane = g.Choice({g.Sequence({other, any, any, any}), g.Sequence({d, hex({{'0', '7'}}), any, any})});
  const NodeId pair = g.Sequence({d, hex(high), any, any, g.Literal("\\u"), d, hex(low), any, any});
  const NodeId code = g.Sequence({g.Literal("u"), g.Choice({in_plane, pair})});
  const NodeId letter =
      g.Set({{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  return g.Choice({g.Set(PlainCharacters()), g.Sequence({g.Literal("\\"), g.Choice({letter, code})})});
}

NodeId JsonText::String(uint32_t min, uint32_t max) {
  return grammar_.Sequence({grammar_.Literal("\""), grammar_.Repeat(AnyCharacter(), min, max), grammar_.Literal("\"")});
}

RuleId JsonText::string() {
  if (!string_) string_ = grammar_.AddRule("string", String(0, kUnlimited));
  return *string_;
}

void JsonText::AddValues() {
  Grammar& g = grammar_;
  value_ = g.AddRule("value");
  object_ = g.AddRule("object");
  array_ = g.AddRule("array");
  const auto list = [&](std::string_view open, NodeId item, std::string_view close) {
    const NodeId more = g.Repeat(g.Sequence({Comma(), item}), 0, kUnlimited);
    const NodeId items = g.Optional(g.Sequence({item, more, WhiteSpace()}));
    return g.Sequence({g.Literal(open), WhiteSpace(), items, g.Literal(close)});
  };
  const NodeId value = g.Call(*value_);
  g.SetRule(*array_, list("[", value, "]"));
  g.SetRule(*object_, list("{", g.Sequence({g.Call(string()), Colon(), value}), "}"));
  g.SetRule(*value_, g.Choice({g.Call(*object_), g.Call(*array_), g.Call(string()), Number(), g.Literal("true"),
                               g.Literal("false"), g.Literal("null")}));
}

RuleId JsonText::value() {
  if (!value_) AddValues();
  return *value_;
}

RuleId JsonText::object() {
  if (!object_) AddValues();
  return *object_;
}

RuleId JsonText::array() {
  if (!array_) AddValues();
  return *array_;
}

}  // namespace octet::grammar
