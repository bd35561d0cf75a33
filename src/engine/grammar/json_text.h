// The parts of JSON text as expressions: characters, strings, numbers, white space, and any value.
//
//   JsonText json(grammar);
//   NodeId name = json.Quoted("first name");
//   NodeId anything = grammar.Call(json.value());
//
// White space between tokens is bounded: nothing, one space, or a line end with up to 20 spaces or tabs, so that a
// model can't go on with it for ever. Names, enumerations and strings with a pattern have one spelling: each character
// as itself where JSON allows that, else its short escape (\n) or \u00XX; free strings may use any escape.
#pragma once

#include <optional>
#include <string_view>

#include "engine/grammar/expression.h"

namespace octet::grammar {

// One character of the set inside quotes, in its one spelling.
NodeId JsonCharacter(Grammar& grammar, const CodePointSet& set);

class JsonText {
 public:
  // The grammar must outlive it; rules are added when they are first asked for.
  explicit JsonText(Grammar& grammar) : grammar_(grammar) {}

  // A string of exactly these characters (UTF-8), with its quotes.
  NodeId Quoted(std::string_view text);
  NodeId WhiteSpace();
  NodeId Comma();  // with the white space around it
  NodeId Colon();
  NodeId Integer();
  NodeId Number();
  // A free string of min to max characters.
  NodeId String(uint32_t min, uint32_t max);

  RuleId string();  // of any length
  RuleId value();
  RuleId object();
  RuleId array();

 private:
  NodeId AnyCharacter();
  void AddValues();

  Grammar& grammar_;
  std::optional<RuleId> white_space_, string_, value_, object_, array_;
};

}  // namespace octet::grammar
