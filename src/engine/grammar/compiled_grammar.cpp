#include "engine/grammar/compiled_grammar.h"

#include <algorithm>
#include <map>
#include <utility>

namespace octet::grammar {
namespace {

// A forced text longer than this comes in parts.
constexpr size_t kMostForcedBytes = 1024;

void SetBit(MaskWords& words, int32_t token) {
  words[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}
void ClearBit(MaskWords& words, int32_t token) {
  words[static_cast<size_t>(token) / 64] &= ~(uint64_t{1} << (static_cast<size_t>(token) % 64));
}
bool HasBit(const MaskWords& words, int32_t token) {
  return (words[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1) != 0;
}

class GrammarConstraint : public TokenConstraint {
 public:
  explicit GrammarConstraint(std::shared_ptr<CompiledGrammar> grammar) : grammar_(std::move(grammar)) {}

  Status AllowedTokens(std::span<uint64_t> words) override { return grammar_->AllowedTokens(text_, cursor_, words); }

  Status Accept(int32_t token) override {
    const TokenTable& tokens = grammar_->tokens();
    const std::string_view bytes = text_.empty() ? tokens.FirstBytes(token) : tokens.Bytes(token);
    if (bytes.empty())
      return Fail(ErrorCode::kInvalidArgument, "token ", token, " has no text that a grammar could allow");
    OCTET_TRY(grammar_->Accept(text_, bytes, cursor_));
    text_ += bytes;
    return {};
  }

  bool can_end() const override { return grammar_->Accepts(text_, cursor_); }
  bool must_end() const override { return can_end() && !grammar_->HasMore(text_, cursor_); }
  std::string ForcedText() override { return grammar_->ForcedText(text_, cursor_); }
  std::unique_ptr<TokenConstraint> Clone() const override { return std::make_unique<GrammarConstraint>(*this); }

 private:
  std::shared_ptr<CompiledGrammar> grammar_;
  std::string text_;
  mutable CompiledGrammar::Cursor cursor_;
};

}  // namespace

CompiledGrammar::CompiledGrammar(std::shared_ptr<const Program> program, std::shared_ptr<const TokenTable> tokens)
    : tokens_(std::move(tokens)), machine_(std::move(program)), path_(tokens_->longest() + 1) {}

std::unique_ptr<TokenConstraint> CompiledGrammar::Start(std::shared_ptr<CompiledGrammar> grammar) {
  return std::make_unique<GrammarConstraint>(std::move(grammar));
}

size_t CompiledGrammar::bytes() {
  const std::lock_guard lock(mutex_);
  return machine_.program().bytes() + machine_.bytes() + mask_bytes_;
}

bool CompiledGrammar::Matches(std::string_view text) {
  Cursor cursor;
  return Accept("", text, cursor).has_value() && Accepts(text, cursor);
}

// Called with no state in hand but the cursor's, which is found again from the text.
void CompiledGrammar::ForgetIfLarge() {
  if (machine_.bytes() + mask_bytes_ <= machine_.program().limits.cached_bytes) return;
  machine_.Clear();
  masks_.clear();
  locals_.clear();
  mask_bytes_ = 0;
  ++era_;
}

StateId CompiledGrammar::Locate(std::string_view text, Cursor& cursor) {
  ForgetIfLarge();
  machine_.StartCount();
  if (cursor.era == era_) return cursor.state;
  StateId state = machine_.Start();
  for (const char c : text) {
    machine_.StartCount();
    state = machine_.Next(state, static_cast<uint8_t>(c));
  }
  machine_.StartCount();
  cursor = {state, era_};
  return state;
}

bool CompiledGrammar::Fits(StateId from, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size() && from != kDead; ++i) from = machine_.Next(from, static_cast<uint8_t>(bytes[i]));
  return from != kDead;
}

Status CompiledGrammar::Accept(std::string_view text, std::string_view added, Cursor& cursor) {
  const std::lock_guard lock(mutex_);
  StateId state = Locate(text, cursor);
  for (size_t i = 0; i < added.size(); ++i) {
    machine_.StartCount();
    state = machine_.Next(state, static_cast<uint8_t>(added[i]));
    OCTET_TRY(machine_.status());
    if (state == kDead)
      return Fail(ErrorCode::kInvalidArgument, "byte ", text.size() + i, " of the text doesn't fit the grammar");
  }
  cursor.state = state;
  return {};
}

bool CompiledGrammar::Accepts(std::string_view text, Cursor& cursor) {
  const std::lock_guard lock(mutex_);
  return machine_.accepts(Locate(text, cursor));
}

bool CompiledGrammar::HasMore(std::string_view text, Cursor& cursor) {
  const std::lock_guard lock(mutex_);
  return !machine_.places(Locate(text, cursor)).empty();
}

std::string CompiledGrammar::ForcedText(std::string_view text, Cursor& cursor) {
  const std::lock_guard lock(mutex_);
  StateId state = Locate(text, cursor);
  std::string forced;
  while (forced.size() < kMostForcedBytes && !machine_.accepts(state)) {
    const int byte = machine_.OnlyByte(state);
    if (byte < 0) break;
    state = machine_.Next(state, static_cast<uint8_t>(byte));
    if (state == kDead) break;
    forced.push_back(static_cast<char>(byte));
  }
  return forced;
}

Status CompiledGrammar::AllowedTokens(std::string_view text, Cursor& cursor, std::span<uint64_t> words) {
  const std::lock_guard lock(mutex_);
  const StateId state = Locate(text, cursor);
  const bool is_first = text.empty() && !tokens_->differing().empty();
  auto known = masks_.find(state);
  if (known == masks_.end()) {
    MaskWords made = OCTET_TRY(MakeMask(state));
    mask_bytes_ += made.size() * sizeof(uint64_t);
    known = masks_.emplace(state, std::move(made)).first;
  }
  OCTET_CHECK(words.size() == known->second.size());
  if (!is_first) {
    std::copy(known->second.begin(), known->second.end(), words.begin());
    return {};
  }
  MaskWords mask = known->second;
  AddFirstTokens(mask);
  OCTET_TRY(machine_.status());
  std::copy(mask.begin(), mask.end(), words.begin());
  return {};
}

void CompiledGrammar::AddFirstTokens(MaskWords& mask) {
  for (const int32_t token : tokens_->differing()) {
    const std::string_view bytes = tokens_->FirstBytes(token);
    ClearBit(mask, token);
    if (!bytes.empty() && Fits(machine_.Start(), bytes)) SetBit(mask, token);
  }
}

// Places with the same stack are looked at together: around them the same must follow.
Result<MaskWords> CompiledGrammar::MakeMask(StateId state) {
  std::map<StackId, std::vector<Place>> groups;
  for (const Place place : machine_.places(state)) groups[place.stack].push_back(place);
  MaskWords mask((tokens_->vocab() + 63) / 64);
  std::vector<int32_t> undecided;
  for (auto& [stack, places] : groups) {
    const bool has_room =
        machine_.depth(stack) + kLocalDepth + 1 + machine_.program().tallest <= machine_.program().limits.depth;
    if (stack != kOutermost && has_room) {
      for (Place& place : places) place.stack = kUnknown;
    }
    const LocalMask* local = OCTET_TRY(LocalOf(machine_.StateOf(std::move(places))));
    for (size_t word = 0; word < mask.size(); ++word) mask[word] |= local->allowed[word];
    undecided.insert(undecided.end(), local->undecided.begin(), local->undecided.end());
  }
  for (const int32_t token : undecided) {
    if (!HasBit(mask, token) && Fits(state, tokens_->Bytes(token))) SetBit(mask, token);
  }
  OCTET_TRY(machine_.status());
  return mask;
}

Result<const CompiledGrammar::LocalMask*> CompiledGrammar::LocalOf(StateId local) {
  const auto known = locals_.find(local);
  if (known != locals_.end()) return &known->second;
  LocalMask made{MaskWords((tokens_->vocab() + 63) / 64), {}};
  WalkTokens(local, made);
  OCTET_TRY(machine_.status());
  mask_bytes_ += made.allowed.size() * sizeof(uint64_t) + made.undecided.size() * sizeof(int32_t);
  return &locals_.emplace(local, std::move(made)).first->second;
}

// Once a token's beginning may have left the places that are looked at, its end is undecided where it doesn't fit
// there.
void CompiledGrammar::WalkTokens(StateId from, LocalMask& found) {
  const std::span<const TokenTable::Node> nodes = tokens_->nodes();
  const std::span<const int32_t> order = tokens_->tokens_in_order();
  constexpr uint32_t kNowhere = 0xFFFFFFFF;
  uint32_t escaped = kNowhere;  // the depth from which on tokens are undecided
  path_[0] = from;
  for (uint32_t i = 0; i < nodes.size();) {
    const TokenTable::Node& node = nodes[i];
    if (escaped != kNowhere && node.depth < escaped) escaped = kNowhere;
    const StateId state = path_[node.depth] == kDead ? kDead : machine_.Next(path_[node.depth], node.byte);
    if (state == kDead && escaped == kNowhere) {
      i = node.behind;
      continue;
    }
    path_[node.depth + 1] = state;
    for (uint32_t place = node.first_token; place < node.last_token; ++place) {
      if (state != kDead)
        SetBit(found.allowed, order[place]);
      else
        found.undecided.push_back(order[place]);
    }
    if (escaped == kNowhere && state != kDead && machine_.escapes(state)) escaped = node.depth + 1;
    ++i;
  }
}

}  // namespace octet::grammar
