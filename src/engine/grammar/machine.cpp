#include "engine/grammar/machine.h"

#include <algorithm>
#include <utility>

namespace octet::grammar {
namespace {

using Op = Instruction::Op;

// What the tables of the standard library take for an entry, about.
constexpr size_t kEntryBytes = 48;

}  // namespace

bool PlaceSet::Insert(Place place) {
  if (2 * size_ >= slots_.size()) {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    size_ = 0;
    for (const Slot& slot : old) {
      if (slot.round == round_) Insert(slot.place);
    }
  }
  size_t at = Hash(place) & (slots_.size() - 1);
  for (; slots_[at].round == round_; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].place == place) return false;
  }
  slots_[at] = {place, round_};
  ++size_;
  return true;
}

Machine::Machine(std::shared_ptr<const Program> program) : program_(std::move(program)) { Clear(); }

void Machine::Clear() {
  states_.clear();
  places_.clear();
  next_.clear();
  state_by_hash_.clear();
  stacks_ = {{0, 0, 0}, {0, 0, kLocalBase}};
  stack_by_key_.clear();
  StartCount();
  seen_.Clear();
  found_.clear();
  accepts_ = escapes_ = false;
  Intern();  // kDead
  next_.assign(program_->classes, kDead);
  Follow({program_->entries[0], kOutermost});
  start_ = Intern();
}

size_t Machine::bytes() const {
  return states_.capacity() * sizeof(State) + places_.capacity() * sizeof(Place) + next_.capacity() * sizeof(uint32_t) +
         stacks_.capacity() * sizeof(Stack) + (state_by_hash_.size() + stack_by_key_.size()) * kEntryBytes;
}

StateId Machine::MakeNext(StateId state, uint8_t byte) {
  if (!status_) return kDead;
  seen_.Clear();
  found_.clear();
  accepts_ = escapes_ = false;
  const State from = states_[state];
  for (uint32_t i = from.first; i < from.first + from.count; ++i) {
    const Place place = places_[i];
    const Instruction& now = program_->code[place.at];
    if (now.low <= byte && byte <= now.high) Follow({now.next, place.stack});
  }
  steps_ += from.count;
  if (!status_) return kDead;
  std::sort(found_.begin(), found_.end());
  const StateId made = Intern();
  next_[state * program_->classes + program_->byte_class[byte]] = made;
  return made;
}

// Adds the places that can be reached from this one without a byte.
void Machine::Follow(Place place) {
  waiting_.push_back(place);
  while (!waiting_.empty()) {
    const Place now = waiting_.back();
    waiting_.pop_back();
    ++steps_;
    if (!Fits(now.at, now.stack) || !seen_.Insert(now)) continue;
    const Instruction& instruction = program_->code[now.at];
    switch (instruction.op) {
      case Op::kByte:
        found_.push_back(now);
        break;
      case Op::kSplit:
        waiting_.push_back({instruction.next, now.stack});
        waiting_.push_back({instruction.other, now.stack});
        break;
      case Op::kCall: {
        const bool is_last = program_->code[instruction.next].op == Op::kEnd;
        waiting_.push_back(
            {program_->entries[instruction.other], is_last ? now.stack : Push(instruction.next, now.stack)});
        break;
      }
      case Op::kEnd:
        if (now.stack == kOutermost)
          accepts_ = true;
        else if (now.stack == kUnknown)
          escapes_ = true;
        else
          waiting_.push_back({stacks_[now.stack].return_to, stacks_[now.stack].below});
        break;
      case Op::kFail:
        break;
    }
  }
  if (found_.size() > program_->limits.places) {
    status_ = Fail(ErrorCode::kExhausted, "the grammar can be at ", found_.size(), " places at once, the limit is ",
                   program_->limits.places, "; make it less ambiguous or its counted repetitions smaller");
  } else if (bytes() > 4 * program_->limits.cached_bytes) {
    status_ = Fail(ErrorCode::kExhausted, "the grammar's states for one token take ", bytes(), " bytes, the limit is ",
                   4 * program_->limits.cached_bytes, "; make it less ambiguous or its counted repetitions smaller");
  } else if (steps_ > program_->limits.steps) {
    status_ = Fail(ErrorCode::kExhausted, "the grammar took ", steps_, " steps for one token, the limit is ",
                   program_->limits.steps, "; make it less ambiguous or its counted repetitions smaller");
  }
}

// Whether the rules that are open can still be completed within the limit of depth.
bool Machine::Fits(uint32_t at, StackId stack) {
  const uint32_t height = program_->heights[at];
  if (height == kNeverEnds) return false;
  const uint32_t depth = stacks_[stack].depth;
  if (depth < kLocalBase) return depth + height <= program_->limits.depth;
  if (depth - kLocalBase <= kLocalDepth) return true;
  escapes_ = true;  // it may go on; only a look with the whole stack tells
  return false;
}

StackId Machine::Push(uint32_t return_to, StackId below) {
  const auto [place, is_new] =
      stack_by_key_.try_emplace(uint64_t{return_to} << 32 | below, static_cast<StackId>(stacks_.size()));
  if (is_new) stacks_.push_back({return_to, below, stacks_[below].depth + 1});
  return place->second;
}

StateId Machine::StateOf(std::vector<Place> places) {
  found_ = std::move(places);
  accepts_ = escapes_ = false;
  return Intern();
}

// The state with the places in found_.
StateId Machine::Intern() {
  uint64_t hash = (accepts_ ? 1u : 0u) + (escapes_ ? 2u : 0u);
  for (const Place place : found_) {
    hash = (hash ^ (uint64_t{place.stack} << 32 | place.at)) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  const auto [first, last] = state_by_hash_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const State& state = states_[it->second];
    if (state.accepts == accepts_ && state.escapes == escapes_ && std::ranges::equal(this->places(it->second), found_))
      return it->second;
  }
  const auto id = static_cast<StateId>(states_.size());
  states_.push_back({static_cast<uint32_t>(places_.size()), static_cast<uint32_t>(found_.size()), accepts_, escapes_});
  places_.insert(places_.end(), found_.begin(), found_.end());
  next_.resize(next_.size() + program_->classes, kUnseen);
  state_by_hash_.emplace(hash, id);
  return id;
}

int Machine::OnlyByte(StateId state) const {
  int only = -1;
  for (const Place place : places(state)) {
    const Instruction& now = program_->code[place.at];
    if (now.low != now.high || (only >= 0 && only != now.low)) return -1;
    only = now.low;
  }
  return only;
}

}  // namespace octet::grammar
