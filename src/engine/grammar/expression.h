// What may be generated, as every front end says it: rules made of texts, characters, sequences, choices, repetitions
// and calls of rules. Right recursion and nesting make it context free.
//
//   Grammar grammar;
//   RuleId digits = grammar.AddRule("digits");
//   grammar.SetRule(digits, grammar.Repeat(grammar.Set({{'0', '9'}}), 1, kUnlimited));
//   std::shared_ptr<const Program> program = OCTET_TRY(CompileProgram(grammar, limits));   // program.h
//
// Front ends: regex_parser.h, gbnf_parser.h, schema_reader.h. Nodes only point at nodes that were made before them, so
// that a pass over all needs no recursion. A grammar's first rule is where it begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/code_points.h"

namespace octet::grammar {

using NodeId = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();

struct Node {
  enum class Kind : uint8_t { kLiteral, kSet, kSequence, kChoice, kRepeat, kCall, kStartAnchor, kEndAnchor };
  Kind kind = Kind::kLiteral;
  uint32_t first = 0;  // of its bytes, its set, its children, its rule
  uint32_t count = 0;  // of bytes or children
  uint32_t min = 0;    // of a repetition
  uint32_t max = 0;
};

class Grammar {
 public:
  // Bytes as they stand; none of them matches the empty text.
  NodeId Literal(std::string_view bytes);
  // One character of the set; of an empty set, nothing at all matches.
  NodeId Set(CodePointSet set);
  NodeId Sequence(std::span<const NodeId> children);
  // One of them; without children, nothing matches.
  NodeId Choice(std::span<const NodeId> children);
  // Requires min <= max; kUnlimited has no upper end.
  NodeId Repeat(NodeId child, uint32_t min, uint32_t max);
  NodeId Call(RuleId rule);
  // ^ and $ of a regular expression; PlaceAnchors in regex_parser.h takes them out again.
  NodeId Anchor(bool at_start);

  NodeId Sequence(std::initializer_list<NodeId> children) {
    return Sequence(std::span(children.begin(), children.size()));
  }
  NodeId Choice(std::initializer_list<NodeId> children) { return Choice(std::span(children.begin(), children.size())); }
  NodeId Optional(NodeId child) { return Repeat(child, 0, 1); }
  NodeId Empty() { return Literal(""); }

  RuleId AddRule(std::string name);
  void SetRule(RuleId rule, NodeId node) { rules_[rule].node = node; }
  RuleId AddRule(std::string name, NodeId node);

  const Node& node(NodeId id) const { return nodes_[id]; }
  size_t node_count() const { return nodes_.size(); }
  size_t rule_count() const { return rules_.size(); }
  const std::string& rule_name(RuleId rule) const { return rules_[rule].name; }
  NodeId rule_node(RuleId rule) const { return rules_[rule].node; }
  std::span<const NodeId> children(const Node& node) const {
    return std::span(children_).subspan(node.first, node.count);
  }
  std::string_view text(const Node& node) const { return std::string_view(text_).substr(node.first, node.count); }
  const CodePointSet& set(const Node& node) const { return sets_[node.first]; }

 private:
  struct Rule {
    std::string name;
    NodeId node = 0;
  };

  NodeId Add(Node node);
  NodeId AddParent(Node::Kind kind, std::span<const NodeId> children);

  std::vector<Node> nodes_ = {Node{}};  // node 0 is the empty text, what a rule is before it is set
  std::vector<NodeId> children_;
  std::vector<CodePointSet> sets_;
  std::string text_;
  std::vector<Rule> rules_;
};

}  // namespace octet::grammar
