#include "engine/grammar/place_anchors.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

namespace octet::grammar {
namespace {

using Kind = Node::Kind;

// What is on one side of a node: other parts of the expression, the text's end, or anything and then the text's end.
enum Side : size_t { kInner, kEdge, kOpen };
constexpr size_t kSides = 3;
constexpr NodeId kNone = 0xFFFFFFFF;

// Each node with anchors, written for every pair of sides; from the innermost outwards, which is the nodes' order.
class AnchorPlacer {
 public:
  AnchorPlacer(Grammar& grammar, std::optional<NodeId> any) : grammar_(grammar), any_(any) {}

  void Run(NodeId first, NodeId last) {
    for (NodeId id = first; id <= last; ++id) {
      const Node node = grammar_.node(id);
      if (!HasAnchor(node)) continue;
      std::array<NodeId, kSides * kSides> forms;
      for (size_t left = 0; left < kSides; ++left) {
        for (size_t right = 0; right < kSides; ++right)
          forms[left * kSides + right] = !any_ && (left == kOpen || right == kOpen)
                                             ? kNone
                                             : Rewrite(node, static_cast<Side>(left), static_cast<Side>(right));
      }
      forms_.emplace(id, forms);
    }
  }

  NodeId FormOf(NodeId id, Side left, Side right) {
    const auto found = forms_.find(id);
    return found != forms_.end() ? found->second[left * kSides + right] : Around(id, left, right);
  }

 private:
  bool HasAnchor(const Node& node) const {
    if (node.kind == Kind::kStartAnchor || node.kind == Kind::kEndAnchor) return true;
    if (node.kind != Kind::kSequence && node.kind != Kind::kChoice && node.kind != Kind::kRepeat) return false;
    return std::ranges::any_of(grammar_.children(node), [this](NodeId child) { return forms_.contains(child); });
  }

  // With anything before and behind it where a side is open.
  NodeId Around(std::optional<NodeId> id, Side left, Side right) {
    std::vector<NodeId> parts;
    if (left == kOpen) parts.push_back(*any_);
    if (id) parts.push_back(*id);
    if (right == kOpen) parts.push_back(*any_);
    return grammar_.Sequence(parts);
  }

  NodeId Rewrite(const Node& node, Side left, Side right) {
    switch (node.kind) {
      case Kind::kStartAnchor:
        return left == kInner ? kNone : Around(std::nullopt, kEdge, right);
      case Kind::kEndAnchor:
        return right == kInner ? kNone : Around(std::nullopt, left, kEdge);
      case Kind::kChoice: {
        const auto children = grammar_.children(node);
        std::vector<NodeId> parts(children.begin(), children.end());
        for (NodeId& part : parts) {
          part = FormOf(part, left, right);
          if (part == kNone) return kNone;
        }
        return grammar_.Choice(parts);
      }
      case Kind::kSequence:
        return RewriteSequence(node, left, right);
      default:
        return kNone;  // a repeated anchor
    }
  }

  NodeId RewriteSequence(const Node& node, Side left, Side right) {
    const auto children = grammar_.children(node);
    std::vector<NodeId> parts(children.begin(), children.end());
    const auto is = [&](NodeId id, Kind kind) { return grammar_.node(id).kind == kind; };
    size_t begin = 0, end = parts.size();
    if (left != kInner) {
      while (begin < end && is(parts[begin], Kind::kStartAnchor)) ++begin;
      if (begin > 0) left = kEdge;
    }
    if (right != kInner) {
      while (end > begin && is(parts[end - 1], Kind::kEndAnchor)) --end;
      if (end < parts.size()) right = kEdge;
    }
    if (begin == end) return Around(std::nullopt, left, right);
    for (size_t i = begin; i < end; ++i) {
      parts[i] = FormOf(parts[i], i == begin ? left : kInner, i + 1 == end ? right : kInner);
      if (parts[i] == kNone) return kNone;
    }
    return grammar_.Sequence(std::span(parts).subspan(begin, end - begin));
  }

  Grammar& grammar_;
  std::optional<NodeId> any_;
  std::unordered_map<NodeId, std::array<NodeId, kSides * kSides>> forms_;
};

}  // namespace

Result<NodeId> PlaceAnchors(Grammar& grammar, NodeId first, NodeId root, std::optional<NodeId> any) {
  AnchorPlacer placer(grammar, any);
  placer.Run(first, root);
  const Side side = any ? kOpen : kEdge;
  const NodeId placed = placer.FormOf(root, side, side);
  if (placed == kNone)
    return Fail(ErrorCode::kUnsupported,
                "the pattern has a ^ or $ that isn't at one of its ends, which is not supported");
  return placed;
}

}  // namespace octet::grammar
