// A program at work: where in the grammar a text may stand, as states that are made when they are first reached.
//
//   Machine machine(program);
//   StateId state = machine.Start();
//   for (char c : text) state = machine.Next(state, static_cast<uint8_t>(c));   // kDead: no text goes on like this
//   bool whole = machine.accepts(state);
//
// A state is a set of places; a place is an instruction that waits for a byte and the calls that are open around it.
// Equal sets are one state and equal stacks of calls one number, so a text's next byte costs one look into a table once
// the state has seen that byte. States stay until Clear. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

using StateId = uint32_t;
inline constexpr StateId kDead = 0;

// A stack of open calls; kOutermost is empty, kUnknown stands for whatever is around the part that is looked at.
using StackId = uint32_t;
inline constexpr StackId kOutermost = 0, kUnknown = 1;

// Around kUnknown: calls deeper than this end the look.
inline constexpr uint32_t kLocalDepth = 24;

struct Place {
  uint32_t at = 0;
  StackId stack = kOutermost;
  bool operator==(const Place&) const = default;
  auto operator<=>(const Place&) const = default;
};

// A set of places that is emptied often.
class PlaceSet {
 public:
  void Clear() {
    ++round_;
    size_ = 0;
  }
  // False where it is in already.
  bool Insert(Place place);
  size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    Place place;
    uint64_t round = 0;
  };
  static size_t Hash(Place place) { return (uint64_t{place.stack} << 32 | place.at) * 0x9E3779B97F4A7C15 >> 20; }

  std::vector<Slot> slots_ = std::vector<Slot>(64);  // a power of two
  uint64_t round_ = 1;
  size_t size_ = 0;
};

class Machine {
 public:
  explicit Machine(std::shared_ptr<const Program> program);

  StateId Start() const { return start_; }

  // Where too many places or steps were needed the state is kDead and status() tells.
  StateId Next(StateId state, uint8_t byte) {
    const uint32_t known = next_[state * program_->classes + program_->byte_class[byte]];
    return known != kUnseen ? known : MakeNext(state, byte);
  }

  // The text so far is whole.
  bool accepts(StateId state) const { return states_[state].accepts; }
  // From a state inside kUnknown: the text may go on behind what was looked at, too.
  bool escapes(StateId state) const { return states_[state].escapes; }
  std::span<const Place> places(StateId state) const {
    return std::span(places_).subspan(states_[state].first, states_[state].count);
  }
  // Calls that are open.
  uint32_t depth(StackId stack) const { return stacks_[stack].depth; }
  const Instruction& instruction(const Place& place) const { return program_->code[place.at]; }

  // The state of places that wait for a byte, sorted, within kUnknown or not.
  StateId StateOf(std::vector<Place> places);

  // The only byte that may come next, or -1.
  int OnlyByte(StateId state) const;

  // Fails with exhausted, naming limit and count, since a call went beyond a limit; StartCount begins anew.
  const Status& status() const { return status_; }
  void StartCount() {
    steps_ = 0;
    status_ = {};
  }

  // Memory that states take.
  size_t bytes() const;
  // Forgets all states; those that were given out mean nothing any more.
  void Clear();

  const Program& program() const { return *program_; }

 private:
  static constexpr uint32_t kUnseen = 0xFFFFFFFF;
  struct State {
    uint32_t first = 0;
    uint32_t count = 0;
    bool accepts = false;
    bool escapes = false;
  };
  struct Stack {
    uint32_t return_to = 0;
    StackId below = 0;
    uint32_t depth = 0;
  };

  StateId MakeNext(StateId state, uint8_t byte);
  void Follow(Place place);
  StateId Intern();
  StackId Push(uint32_t return_to, StackId below);
  bool Fits(uint32_t at, StackId stack);
  // Depths of stacks on kUnknown begin here, so that a depth tells what is below.
  static constexpr uint32_t kLocalBase = uint32_t{1} << 30;

  std::shared_ptr<const Program> program_;
  std::vector<State> states_;
  std::vector<Place> places_;   // of all states
  std::vector<uint32_t> next_;  // [states][classes]
  std::unordered_multimap<uint64_t, StateId> state_by_hash_;
  std::vector<Stack> stacks_;
  std::unordered_map<uint64_t, StackId> stack_by_key_;
  StateId start_ = kDead;

  // Of the state in the making.
  std::vector<Place> found_, waiting_;
  PlaceSet seen_;
  bool accepts_ = false;
  bool escapes_ = false;

  size_t steps_ = 0;
  Status status_;
};

}  // namespace octet::grammar
