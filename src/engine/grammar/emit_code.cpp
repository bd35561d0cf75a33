#include "engine/grammar/emit_code.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace octet::grammar {
namespace {

using Kind = Node::Kind;
using Op = Instruction::Op;

constexpr uint64_t kHuge = uint64_t{1} << 62;

uint64_t Plus(uint64_t a, uint64_t b) { return std::min(kHuge, a + b); }
uint64_t Times(uint64_t a, uint64_t b) { return a != 0 && b > kHuge / a ? kHuge : a * b; }

// Most instructions of every node. A node's children come before it.
std::vector<uint64_t> Sizes(const Grammar& grammar) {
  std::vector<uint64_t> sizes(grammar.node_count());
  for (NodeId id = 0; id < sizes.size(); ++id) {
    const Node& node = grammar.node(id);
    uint64_t sum = 0;
    if (node.kind == Kind::kSequence || node.kind == Kind::kChoice) {
      for (const NodeId child : grammar.children(node)) sum = Plus(sum, sizes[child]);
    }
    switch (node.kind) {
      case Kind::kLiteral:
        sizes[id] = node.count;
        break;
      case Kind::kSet:
        for (const Utf8Sequence& sequence : Utf8Sequences(grammar.set(node))) sum += sequence.size + 1;
        sizes[id] = sum + 1;
        break;
      case Kind::kSequence:
        sizes[id] = sum;
        break;
      case Kind::kChoice:
        sizes[id] = Plus(sum, node.count + 1);
        break;
      case Kind::kRepeat: {
        const uint64_t one = Plus(sizes[grammar.children(node)[0]], 1);
        sizes[id] = node.max == kUnlimited ? Times(one, uint64_t{node.min} + 1) : Times(one, node.max);
        break;
      }
      default:
        sizes[id] = 1;
    }
  }
  return sizes;
}

// Code is written from the end to the beginning: what follows a node is there before the node. Work that is still to be
// done lies on a stack, so that nesting costs no call depth.
class Emitter {
 public:
  Emitter(const Grammar& grammar, std::vector<Instruction>& code) : grammar_(grammar), code_(code) {}

  // Returns where the node begins; behind it stands kEnd.
  uint32_t Emit(NodeId root) {
    next_ = Add({.op = Op::kEnd});
    tasks_.push_back({Step::kNode, root});
    while (!tasks_.empty()) {
      const Task task = tasks_.back();
      tasks_.pop_back();
      Do(task);
    }
    return next_;
  }

 private:
  enum class Step {
    kNode,          // value: the node
    kSetNext,       // value: what follows from here on
    kAlternative,   // one child of a choice is written
    kChoice,        // value: how many of them there were
    kOptionalCopy,  // value: where it goes on without the copy just written
    kCloseLoop,     // value: the split at the loop's head
  };
  struct Task {
    Step step;
    uint32_t value;
  };

  uint32_t Add(Instruction instruction) {
    code_.push_back(instruction);
    return static_cast<uint32_t>(code_.size() - 1);
  }

  void Do(Task task) {
    switch (task.step) {
      case Step::kNode:
        return EmitNode(grammar_.node(task.value));
      case Step::kSetNext:
        next_ = task.value;
        return;
      case Step::kAlternative:
        entries_.push_back(next_);
        return;
      case Step::kChoice:
        next_ = AnyOf(task.value);
        return;
      case Step::kOptionalCopy:
        next_ = Add({.op = Op::kSplit, .next = next_, .other = task.value});
        return;
      case Step::kCloseLoop:
        code_[task.value].next = next_;
        next_ = task.value;
        return;
    }
  }

  // A split into the last `count` entries.
  uint32_t AnyOf(size_t count) {
    if (count == 0) return Add({.op = Op::kFail});
    uint32_t at = entries_.back();
    entries_.pop_back();
    for (size_t i = 1; i < count; ++i) {
      at = Add({.op = Op::kSplit, .next = entries_.back(), .other = at});
      entries_.pop_back();
    }
    return at;
  }

  void EmitNode(const Node& node) {
    switch (node.kind) {
      case Kind::kLiteral: {
        const std::string_view text = grammar_.text(node);
        for (size_t i = text.size(); i-- > 0;)
          next_ = AddByte(static_cast<uint8_t>(text[i]), static_cast<uint8_t>(text[i]), next_);
        return;
      }
      case Kind::kSet:
        return EmitSet(grammar_.set(node));
      case Kind::kSequence:
        for (const NodeId child : grammar_.children(node)) tasks_.push_back({Step::kNode, child});
        return;
      case Kind::kChoice:
        tasks_.push_back({Step::kChoice, node.count});
        for (const NodeId child : grammar_.children(node)) {
          tasks_.push_back({Step::kAlternative, 0});
          tasks_.push_back({Step::kNode, child});
          tasks_.push_back({Step::kSetNext, next_});
        }
        return;
      case Kind::kRepeat:
        return EmitRepeat(node);
      case Kind::kCall:
        next_ = Add({.op = Op::kCall, .next = next_, .other = node.first});
        return;
      case Kind::kStartAnchor:
      case Kind::kEndAnchor:
        next_ = Add({.op = Op::kFail});
        return;
    }
  }

  // Copies that must be there come first in the text, so they go to the bottom of the stack.
  void EmitRepeat(const Node& node) {
    const NodeId child = grammar_.children(node)[0];
    for (uint32_t i = 0; i < node.min; ++i) tasks_.push_back({Step::kNode, child});
    if (node.max == kUnlimited) {
      const uint32_t head = Add({.op = Op::kSplit, .other = next_});
      tasks_.push_back({Step::kCloseLoop, head});
      tasks_.push_back({Step::kNode, child});
      next_ = head;
      return;
    }
    for (uint32_t i = node.min; i < node.max; ++i) {
      tasks_.push_back({Step::kOptionalCopy, next_});
      tasks_.push_back({Step::kNode, child});
    }
  }

  uint32_t AddByte(uint8_t low, uint8_t high, uint32_t next) {
    return Add({.op = Op::kByte, .low = low, .high = high, .next = next});
  }

  // Sequences that end alike share their ends.
  void EmitSet(const CodePointSet& set) {
    std::map<std::tuple<uint8_t, uint8_t, uint32_t>, uint32_t> shared;
    const uint32_t behind = next_;
    size_t count = 0;
    for (const Utf8Sequence& sequence : Utf8Sequences(set)) {
      uint32_t at = behind;
      for (size_t i = sequence.size; i-- > 0;) {
        const auto [low, high] = sequence.bytes[i];
        const auto [place, is_new] = shared.try_emplace({low, high, at}, 0);
        if (is_new) place->second = AddByte(low, high, at);
        at = place->second;
      }
      entries_.push_back(at);
      ++count;
    }
    next_ = AnyOf(count);
  }

  const Grammar& grammar_;
  std::vector<Instruction>& code_;
  std::vector<Task> tasks_;
  std::vector<uint32_t> entries_;  // of alternatives that are written
  uint32_t next_ = 0;
};

}  // namespace

Status EmitCode(const Grammar& grammar, Program& program) {
  const GrammarLimits& limits = program.limits;
  if (grammar.node_count() > limits.nodes) {
    return Fail(ErrorCode::kInvalidArgument, "the grammar has ", grammar.node_count(), " parts, the limit is ",
                limits.nodes);
  }
  const std::vector<uint64_t> sizes = Sizes(grammar);
  uint64_t size = 0;
  for (RuleId rule = 0; rule < grammar.rule_count(); ++rule) size = Plus(size, sizes[grammar.rule_node(rule)] + 1);
  if (size > limits.instructions) {
    return Fail(ErrorCode::kInvalidArgument, "the grammar written out takes ",
                size == kHuge ? Cat("over 2^62") : Cat("up to ", size), " states, the limit is ", limits.instructions,
                "; make its counted repetitions smaller");
  }
  program.code.reserve(size);
  Emitter emitter(grammar, program.code);
  for (RuleId rule = 0; rule < grammar.rule_count(); ++rule)
    program.entries.push_back(emitter.Emit(grammar.rule_node(rule)));
  return {};
}

}  // namespace octet::grammar
