#include <algorithm>
#include <utility>

#include "engine/grammar/emit_code.h"
#include "engine/grammar/program.h"

namespace octet::grammar {
namespace {

using Op = Instruction::Op;

// For each instruction, those that lead to it; calls stand with what they return to and with their rule's entry.
class Predecessors {
 public:
  explicit Predecessors(const Program& program) : starts_(program.code.size() + 1) {
    ForEach(program, [&](uint32_t, uint32_t to) { ++starts_[to + 1]; });
    for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
    from_.resize(starts_.back());
    std::vector<uint32_t> filled(starts_.begin(), starts_.end() - 1);
    ForEach(program, [&](uint32_t from, uint32_t to) { from_[filled[to]++] = from; });
  }

  std::span<const uint32_t> Of(uint32_t to) const {
    return std::span(from_).subspan(starts_[to], starts_[to + 1] - starts_[to]);
  }

 private:
  template <class Found>
  static void ForEach(const Program& program, const Found& found) {
    for (uint32_t at = 0; at < program.code.size(); ++at) {
      const Instruction& now = program.code[at];
      if (now.op == Op::kEnd || now.op == Op::kFail) continue;
      found(at, now.next);
      if (now.op == Op::kSplit) found(at, now.other);
      if (now.op == Op::kCall) found(at, program.entries[now.other]);
    }
  }

  std::vector<uint32_t> starts_, from_;
};

// Dijkstra's way, level by level: an instruction's height is known when the first path to its rule's end is, and a call
// waits for both its rule and what follows.
void FindHeights(Program& program) {
  const Predecessors predecessors(program);
  program.heights.assign(program.code.size(), kNeverEnds);
  std::vector<std::vector<uint32_t>> levels(1);
  for (uint32_t at = 0; at < program.code.size(); ++at) {
    if (program.code[at].op == Op::kEnd) levels[0].push_back(at);
  }
  for (uint32_t level = 0; level < levels.size(); ++level) {
    for (size_t i = 0; i < levels[level].size(); ++i) {
      const uint32_t known = levels[level][i];
      if (program.heights[known] != kNeverEnds) continue;
      program.heights[known] = level;
      program.tallest = level;
      for (const uint32_t from : predecessors.Of(known)) {
        const Instruction& now = program.code[from];
        uint32_t height = level;
        if (now.op == Op::kCall) {
          const uint32_t rule = program.heights[program.entries[now.other]], after = program.heights[now.next];
          if (rule == kNeverEnds || after == kNeverEnds) continue;
          height = std::max(rule + (program.code[now.next].op == Op::kEnd ? 0 : 1), after);
        }
        if (levels.size() <= height) levels.resize(height + 1);
        levels[height].push_back(from);
      }
    }
  }
}

struct Search {
  std::vector<bool> nullable;  // by rule
  std::vector<uint32_t> seen;  // by instruction, the number of the search that saw it last
  uint32_t number = 0;
  size_t steps = 0;
};

// Whether the end can be reached from `from` without a byte; `found` hears of each call on the way.
template <class Found>
bool ReachesEnd(const Program& program, uint32_t from, Search& search, const Found& found) {
  bool ends = false;
  ++search.number;
  std::vector<uint32_t> waiting = {from};
  while (!waiting.empty()) {
    const uint32_t at = waiting.back();
    waiting.pop_back();
    ++search.steps;
    if (std::exchange(search.seen[at], search.number) == search.number) continue;
    const Instruction& now = program.code[at];
    if (now.op == Op::kEnd) ends = true;
    if (now.op == Op::kSplit) waiting.push_back(now.next);
    if (now.op == Op::kSplit) waiting.push_back(now.other);
    if (now.op == Op::kCall) {
      found(now.other);
      if (search.nullable[now.other]) waiting.push_back(now.next);
    }
  }
  return ends;
}

// For each rule, those that it may call before any text.
Result<std::vector<std::vector<RuleId>>> CallsBeforeText(const Program& program) {
  const size_t rules = program.entries.size();
  Search search{std::vector<bool>(rules), std::vector<uint32_t>(program.code.size())};
  std::vector<std::vector<RuleId>> calls(rules), callers(rules);
  std::vector<RuleId> waiting;
  std::vector<bool> is_waiting(rules, true);
  for (RuleId rule = 0; rule < rules; ++rule) waiting.push_back(rule);
  // A rule is looked at again when one that it calls turns out to match the empty text.
  while (!waiting.empty()) {
    const RuleId rule = waiting.back();
    waiting.pop_back();
    is_waiting[rule] = false;
    calls[rule].clear();
    const bool ends = ReachesEnd(program, program.entries[rule], search, [&](RuleId called) {
      calls[rule].push_back(called);
      callers[called].push_back(rule);
    });
    if (search.steps > program.limits.steps) {
      return Fail(ErrorCode::kInvalidArgument, "looking for left recursion in the grammar took ", search.steps,
                  " steps, the limit is ", program.limits.steps, "; use fewer rules that match the empty text");
    }
    if (!ends || search.nullable[rule]) continue;
    search.nullable[rule] = true;
    for (const RuleId caller : callers[rule]) {
      if (!is_waiting[caller]) waiting.push_back(caller);
      is_waiting[caller] = true;
    }
  }
  return calls;
}

Status CheckLeftRecursion(const Grammar& grammar, const Program& program) {
  const std::vector<std::vector<RuleId>> calls = OCTET_TRY(CallsBeforeText(program));
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(calls.size(), Mark::kNew);
  struct Visit {
    RuleId rule;
    size_t next = 0;
  };
  for (RuleId start = 0; start < calls.size(); ++start) {
    if (marks[start] != Mark::kNew) continue;
    std::vector<Visit> open = {{start}};
    marks[start] = Mark::kOpen;
    while (!open.empty()) {
      Visit& visit = open.back();
      if (visit.next == calls[visit.rule].size()) {
        marks[visit.rule] = Mark::kDone;
        open.pop_back();
        continue;
      }
      const RuleId called = calls[visit.rule][visit.next++];
      if (marks[called] == Mark::kOpen) {
        return Fail(ErrorCode::kInvalidArgument, "rule `", grammar.rule_name(called),
                    "` comes back to itself before any text (left recursion); write the repeated part behind it");
      }
      if (marks[called] == Mark::kDone) continue;
      marks[called] = Mark::kOpen;
      open.push_back({called});
    }
  }
  return {};
}

void FindByteClasses(Program& program) {
  std::array<bool, 257> begins = {};
  begins[0] = true;
  for (const Instruction& now : program.code) {
    if (now.op != Op::kByte) continue;
    begins[now.low] = true;
    begins[now.high + 1u] = true;
  }
  size_t count = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) ++count;
    program.byte_class[byte] = static_cast<uint8_t>(count - 1);
  }
  program.classes = count;
}

}  // namespace

Result<std::shared_ptr<const Program>> CompileProgram(const Grammar& grammar, const GrammarLimits& limits) {
  auto program = std::make_shared<Program>();
  program->limits = limits;
  OCTET_CHECK(grammar.rule_count() > 0);
  OCTET_TRY(EmitCode(grammar, *program));
  OCTET_TRY(CheckLeftRecursion(grammar, *program));
  FindHeights(*program);
  const uint32_t height = program->heights[program->entries[0]];
  if (height == kNeverEnds) {
    return Fail(ErrorCode::kInvalidArgument, "no text at all fits the grammar: rule `", grammar.rule_name(0),
                "` can never be completed");
  }
  if (height > limits.depth) {
    return Fail(ErrorCode::kInvalidArgument, "the shortest text of the grammar nests ", height, " rules, the limit is ",
                limits.depth);
  }
  FindByteClasses(*program);
  return std::shared_ptr<const Program>(std::move(program));
}

}  // namespace octet::grammar
