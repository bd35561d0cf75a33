#include "text/bpe.h"

#include <algorithm>

#include "text/byte_fallback.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace octet {
namespace {

// Up to here the scan for the best pair costs less than a heap.
constexpr size_t kShortWord = 32;

constexpr std::string_view kVisibleSpace = "\u2581";

bool IsHeld(const TokenGuard* guard, int32_t id) { return guard != nullptr && guard->Holds(id); }

}  // namespace

Result<BpeModel> BpeModel::Make(const TokenizerParts& parts, const Vocabulary& vocabulary, bool byte_level,
                                std::string_view where) {
  BpeModel model;
  model.vocabulary_ = &vocabulary;
  model.byte_level_ = byte_level;
  model.byte_fallback_ = parts.byte_fallback;
  model.fuse_unknown_ = parts.fuse_unknown;
  model.ignore_merges_ = parts.ignore_merges;
  model.subword_prefix_ = parts.subword_prefix;
  model.word_suffix_ = parts.word_suffix;
  model.unknown_ = parts.unknown.value_or(-1);
  for (uint32_t byte = 0; byte < 256; ++byte) {
    std::string spelled;
    AppendUtf8(ByteLevelCodePoint(static_cast<uint8_t>(byte)), spelled);
    model.byte_ids_[byte] = vocabulary.FindOr(spelled, -1);
    model.fallback_ids_[byte] = vocabulary.FindOr(ByteFallbackToken(static_cast<uint8_t>(byte)), -1);
  }
  model.merges_ = MergeTable(parts.merges.size());
  std::string merged;
  for (size_t rank = 0; rank < parts.merges.size(); ++rank) {
    const MergePair pair = parts.merges[rank];
    merged = vocabulary.Text(pair.left);
    merged +=
        vocabulary.Text(pair.right).substr(std::min(parts.subword_prefix.size(), vocabulary.Text(pair.right).size()));
    const int32_t id = vocabulary.FindOr(merged, -1);
    if (id < 0)
      return Fail(ErrorCode::kCorrupt, where, ": merge ", rank, " makes `", merged,
                  "`, which is not in the vocabulary");
    model.merges_.Insert(pair.left, pair.right, {static_cast<uint32_t>(rank), id});
  }
  model.FindBarJoins(parts);
  return model;
}

void BpeModel::FindBarJoins(const TokenizerParts& parts) {
  cuts_at_bars_ = !byte_level_ && !ignore_merges_ && subword_prefix_.empty() && word_suffix_.empty() &&
                  vocabulary_->FindOr(kVisibleSpace, -1) >= 0;
  // The texts of these tokens aren't what they stand for; merges with them tell nothing about bytes.
  std::vector<bool> stand_in(vocabulary_->size());
  const auto mark = [&stand_in](int32_t id) {
    if (id >= 0 && static_cast<size_t>(id) < stand_in.size()) stand_in[static_cast<size_t>(id)] = true;
  };
  mark(unknown_);
  for (const int32_t id : fallback_ids_) mark(id);
  for (const MergePair pair : parts.merges) {
    const std::string_view left = vocabulary_->Text(pair.left), right = vocabulary_->Text(pair.right);
    if (left.empty() || stand_in[static_cast<size_t>(pair.left)] || stand_in[static_cast<size_t>(pair.right)])
      cuts_at_bars_ = false;
    if (!cuts_at_bars_) return;
    if (right.starts_with(kVisibleSpace)) joins_bar_[static_cast<uint8_t>(left.back())] = true;
  }
}

void BpeModel::EncodeWord(std::string_view word, const TokenGuard* guard, BpeScratch& scratch,
                          std::vector<int32_t>& ids) const {
  scratch.guard = guard;
  size_t begin = 0;
  if (cuts_at_bars_) {
    for (size_t bar = word.find(kVisibleSpace, 1); bar != std::string_view::npos;
         bar = word.find(kVisibleSpace, bar + 1)) {
      if (joins_bar_[static_cast<uint8_t>(word[bar - 1])]) continue;
      EncodePart(word.substr(begin, bar - begin), scratch, ids);
      begin = bar;
    }
  }
  EncodePart(word.substr(begin), scratch, ids);
}

void BpeModel::EncodePart(std::string_view word, BpeScratch& scratch, std::vector<int32_t>& ids) const {
  // The cache holds what words yield without a guard.
  if (word.size() > WordCache::kLongestWord || scratch.guard != nullptr) return EncodeUncached(word, scratch, ids);
  const WordCache::Key key = WordCache::MakeKey(word);
  WordCache::Entry& entry = scratch.cache.Find(key);
  if (entry.Holds(key)) {
    ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
    return;
  }
  const size_t before = ids.size();
  EncodeUncached(word, scratch, ids);
  WordCache::Store(key, std::span<const int32_t>(ids).subspan(before), entry);
}

void BpeModel::EncodeUncached(std::string_view word, BpeScratch& scratch, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    scratch.spelled.clear();
    if (byte_level_) AppendByteLevel(word, scratch.spelled);
    const int32_t whole = vocabulary_->FindOr(byte_level_ ? std::string_view(scratch.spelled) : word, -1);
    if (whole >= 0 && !IsHeld(scratch.guard, whole)) {
      ids.push_back(whole);
      return;
    }
  }
  scratch.ids.clear();
  StartSymbols(word, scratch);
  if (scratch.ids.size() <= kShortWord) {
    MergeShort(scratch);
  } else {
    MergeLong(scratch);
  }
  ids.insert(ids.end(), scratch.ids.begin(), scratch.ids.end());
}

void BpeModel::StartSymbols(std::string_view word, BpeScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids;
  bool pending_unknown = false;
  if (byte_level_) {
    for (const char byte : word) {
      const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
      if (id >= 0) {
        ids.push_back(id);
      } else if (unknown_ >= 0 && (ids.empty() || ids.back() != unknown_ || !fuse_unknown_)) {
        ids.push_back(unknown_);
      }
    }
    return;
  }
  for (size_t at = 0; at < word.size();) {
    const size_t length = std::min<size_t>(Utf8Length(word[at]), word.size() - at);
    std::string_view symbol = word.substr(at, length);
    if (!subword_prefix_.empty() || !word_suffix_.empty()) {
      scratch.spelled = Cat(at > 0 ? subword_prefix_ : "", symbol, at + length == word.size() ? word_suffix_ : "");
      symbol = scratch.spelled;
    }
    StartSymbol(symbol, scratch, pending_unknown);
    at += length;
  }
  if (pending_unknown) ids.push_back(unknown_);
}

void BpeModel::StartSymbol(std::string_view symbol, BpeScratch& scratch, bool& pending_unknown) const {
  std::vector<int32_t>& ids = scratch.ids;
  const int32_t found = vocabulary_->FindOr(symbol, -1);
  const int32_t id = IsHeld(scratch.guard, found) ? -1 : found;
  if (id >= 0) {
    if (pending_unknown) ids.push_back(unknown_);
    pending_unknown = false;
    ids.push_back(id);
    return;
  }
  if (byte_fallback_ && std::all_of(symbol.begin(), symbol.end(),
                                    [this](char c) { return fallback_ids_[static_cast<uint8_t>(c)] >= 0; })) {
    for (const char c : symbol) ids.push_back(fallback_ids_[static_cast<uint8_t>(c)]);
    return;
  }
  if (unknown_ < 0) return;
  // An unknown token waits for its neighbour, to be one with it where fuse_unk says so.
  if (pending_unknown && !fuse_unknown_) ids.push_back(unknown_);
  pending_unknown = true;
}

void BpeModel::MergeShort(BpeScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids;
  if (ids.size() < 2) return;
  uint32_t ranks[kShortWord];
  int32_t merged[kShortWord];
  size_t count = ids.size();
  const auto look = [&](size_t at) {
    const MergeTable::Merge merge = merges_.Look(ids[at], ids[at + 1]);
    ranks[at] = IsHeld(scratch.guard, merge.merged) ? MergeTable::kNoRank : merge.rank;
    merged[at] = merge.merged;
  };
  for (size_t at = 0; at + 1 < count; ++at) look(at);
  while (count > 1) {
    size_t best = 0;
    for (size_t at = 1; at + 1 < count; ++at) best = ranks[at] < ranks[best] ? at : best;
    if (ranks[best] == MergeTable::kNoRank) break;
    ids[best] = merged[best];
    for (size_t at = best + 1; at + 1 < count; ++at) {
      ids[at] = ids[at + 1];
      ranks[at] = ranks[at + 1];
      merged[at] = merged[at + 1];
    }
    --count;
    if (best + 1 < count) look(best);
    if (best > 0) look(best - 1);
  }
  ids.resize(count);
}

void BpeModel::PushCandidate(BpeScratch& scratch, int32_t position) const {
  const BpeScratch::Symbol& symbol = scratch.symbols[static_cast<size_t>(position)];
  if (symbol.next < 0) return;
  const int32_t right = scratch.symbols[static_cast<size_t>(symbol.next)].id;
  const MergeTable::Merge merge = merges_.Look(symbol.id, right);
  if (merge.rank == MergeTable::kNoRank || IsHeld(scratch.guard, merge.merged)) return;
  scratch.candidates.push_back({merge.rank, position, symbol.id, right, merge.merged});
  std::push_heap(scratch.candidates.begin(), scratch.candidates.end(), [](const auto& a, const auto& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  });
}

void BpeModel::MergeLong(BpeScratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& candidates = scratch.candidates;
  const auto count = static_cast<int32_t>(scratch.ids.size());
  symbols.resize(scratch.ids.size());
  candidates.clear();
  for (int32_t i = 0; i < count; ++i)
    symbols[static_cast<size_t>(i)] = {scratch.ids[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
  for (int32_t i = 0; i + 1 < count; ++i) PushCandidate(scratch, i);
  while (!candidates.empty()) {
    std::pop_heap(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
    });
    const BpeScratch::Candidate candidate = candidates.back();
    candidates.pop_back();
    BpeScratch::Symbol& left = symbols[static_cast<size_t>(candidate.position)];
    // A merged symbol has id -1, so that a pair from before a merge no longer fits.
    if (left.id != candidate.left || left.next < 0 || symbols[static_cast<size_t>(left.next)].id != candidate.right)
      continue;
    BpeScratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = candidate.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = candidate.position;
    if (left.previous >= 0) PushCandidate(scratch, left.previous);
    PushCandidate(scratch, candidate.position);
  }
  scratch.ids.clear();
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next)
    scratch.ids.push_back(symbols[static_cast<size_t>(i)].id);
}

}  // namespace octet
