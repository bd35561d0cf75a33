#include "engine/grammar/expression.h"

#include <utility>

namespace octet::grammar {

NodeId Grammar::Add(Node node) {
  nodes_.push_back(node);
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Grammar::AddParent(Node::Kind kind, std::span<const NodeId> children) {
  const auto first = static_cast<uint32_t>(children_.size());
  children_.insert(children_.end(), children.begin(), children.end());
  return Add({.kind = kind, .first = first, .count = static_cast<uint32_t>(children.size())});
}

NodeId Grammar::Literal(std::string_view bytes) {
  const auto first = static_cast<uint32_t>(text_.size());
  text_ += bytes;
  return Add({.kind = Node::Kind::kLiteral, .first = first, .count = static_cast<uint32_t>(bytes.size())});
}

NodeId Grammar::Set(CodePointSet set) {
  sets_.push_back(std::move(set));
  return Add({.kind = Node::Kind::kSet, .first = static_cast<uint32_t>(sets_.size() - 1)});
}

NodeId Grammar::Sequence(std::span<const NodeId> children) {
  return children.size() == 1 ? children[0] : AddParent(Node::Kind::kSequence, children);
}

NodeId Grammar::Choice(std::span<const NodeId> children) {
  return children.size() == 1 ? children[0] : AddParent(Node::Kind::kChoice, children);
}

NodeId Grammar::Repeat(NodeId child, uint32_t min, uint32_t max) {
  const NodeId only[] = {child};
  const NodeId node = AddParent(Node::Kind::kRepeat, only);
  nodes_[node].min = min;
  nodes_[node].max = max;
  return node;
}

NodeId Grammar::Call(RuleId rule) { return Add({.kind = Node::Kind::kCall, .first = rule}); }

NodeId Grammar::Anchor(bool at_start) {
  return Add({.kind = at_start ? Node::Kind::kStartAnchor : Node::Kind::kEndAnchor});
}

RuleId Grammar::AddRule(std::string name) {
  rules_.push_back({std::move(name), 0});
  return static_cast<RuleId>(rules_.size() - 1);
}

RuleId Grammar::AddRule(std::string name, NodeId node) {
  const RuleId rule = AddRule(std::move(name));
  SetRule(rule, node);
  return rule;
}

}  // namespace octet::grammar
