// A grammar as instructions over bytes: a nondeterministic automaton for each rule, which may call others.
//
//   std::shared_ptr<const Program> program = OCTET_TRY(CompileProgram(grammar, GrammarLimits{}));
//   Machine machine(*program);                                                                     // machine.h
//
// Repetitions are written out, so that the count of instructions is the grammar's size. A call in the last place of a
// rule needs no return, which makes right recursion a loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/grammar/expression.h"

namespace octet::grammar {

// What a grammar may cost. An error names the limit and the count that went beyond it.
struct GrammarLimits {
  size_t source_bytes = size_t{1} << 20;  // of the text that a front end reads
  size_t nesting = 128;                   // of groups, of schemas
  size_t nodes = 1'000'000;               // of expressions
  size_t instructions = 1'000'000;
  size_t depth = 128;         // of calls while text is made: levels of JSON take one each, objects of a schema two
  size_t places = 10'000;     // of the automaton at one time
  size_t steps = 50'000'000;  // of compiling, and of the automaton for one token's mask
  size_t cached_bytes = size_t{64} << 20;  // of states and masks that are kept
};

struct Instruction {
  enum class Op : uint8_t {
    kByte,   // a byte of low .. high, then `next`
    kSplit,  // `next` or `other`
    kCall,   // rule `other`, then `next`
    kEnd,    // the rule is complete
    kFail,
  };
  Op op = Op::kFail;
  uint8_t low = 0;
  uint8_t high = 0;
  uint32_t next = 0;
  uint32_t other = 0;
};

inline constexpr uint32_t kNeverEnds = std::numeric_limits<uint32_t>::max();

struct Program {
  std::vector<Instruction> code;
  std::vector<uint32_t> entries;  // of rules; the first is the grammar's
  // By instruction: the fewest calls that are open at the same time before its rule ends, kNeverEnds where it can't.
  std::vector<uint32_t> heights;
  uint32_t tallest = 0;  // the largest of them that isn't kNeverEnds
  // Bytes that no instruction tells apart have the same class.
  std::array<uint8_t, 256> byte_class = {};
  size_t classes = 0;
  GrammarLimits limits;

  size_t bytes() const { return code.size() * (sizeof(Instruction) + sizeof(uint32_t)); }
};

// Fails with invalid_argument, saying the limit and the count, for a grammar beyond the limits; naming the rule, where
// one calls itself before any text (left recursion) or the grammar has no finite text at all.
Result<std::shared_ptr<const Program>> CompileProgram(const Grammar& grammar, const GrammarLimits& limits);

}  // namespace octet::grammar
