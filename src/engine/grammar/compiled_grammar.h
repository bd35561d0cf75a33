// A grammar ready for a vocabulary: what every sequence that follows it shares.
//
//   std::shared_ptr<CompiledGrammar> grammar = CompiledGrammar::Make(program, tokens);
//   std::unique_ptr<TokenConstraint> constraint = CompiledGrammar::Start(grammar);
//
// States of the automaton and masks of tokens are made when they are first needed and kept, up to
// GrammarLimits::cached_bytes; all answers are the same without. Many threads may use one.
//
// How a mask is found: of the tokens that can come at some places of a rule, most are decided by the rule itself,
// whatever is around it. These are looked up once for the rule's places; the few tokens that go on behind the rule's
// end are walked with the whole stack of calls. The text a grammar comes from: grammar_source.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "engine/grammar/machine.h"
#include "engine/grammar/token_table.h"
#include "engine/sample/token_constraint.h"

namespace octet::grammar {

using MaskWords = std::vector<uint64_t>;

class CompiledGrammar {
 public:
  CompiledGrammar(std::shared_ptr<const Program> program, std::shared_ptr<const TokenTable> tokens);

  // A constraint at the beginning of the text; it keeps the grammar.
  static std::unique_ptr<TokenConstraint> Start(std::shared_ptr<CompiledGrammar> grammar);

  // Whether a whole text fits.
  bool Matches(std::string_view text);

  const TokenTable& tokens() const { return *tokens_; }
  // Memory of the program, the states and the masks.
  size_t bytes();

  // What a constraint asks; `text` is all that was accepted so far. A cursor remembers the state for it, and stays good
  // when the states were forgotten meanwhile.
  struct Cursor {
    StateId state = kDead;
    uint64_t era = 0;
  };
  Status AllowedTokens(std::string_view text, Cursor& cursor, std::span<uint64_t> words);
  // Moves the cursor behind `added`; fails with invalid_argument where it doesn't fit.
  Status Accept(std::string_view text, std::string_view added, Cursor& cursor);
  bool Accepts(std::string_view text, Cursor& cursor);
  bool HasMore(std::string_view text, Cursor& cursor);
  // The bytes that must follow.
  std::string ForcedText(std::string_view text, Cursor& cursor);

 private:
  // What is known of the tokens at some places whatever is around them.
  struct LocalMask {
    MaskWords allowed;
    std::vector<int32_t> undecided;  // allowed or not by what is around
  };

  StateId Locate(std::string_view text, Cursor& cursor);
  void ForgetIfLarge();
  Result<MaskWords> MakeMask(StateId state);
  Result<const LocalMask*> LocalOf(StateId local);
  void WalkTokens(StateId from, LocalMask& found);
  void AddFirstTokens(MaskWords& mask);
  bool Fits(StateId from, std::string_view bytes);

  std::shared_ptr<const TokenTable> tokens_;
  std::mutex mutex_;
  Machine machine_;
  uint64_t era_ = 1;  // grows when states are forgotten
  std::unordered_map<StateId, MaskWords> masks_;
  std::unordered_map<StateId, LocalMask> locals_;
  size_t mask_bytes_ = 0;
  std::vector<StateId> path_;  // of a walk, by depth
};

}  // namespace octet::grammar
