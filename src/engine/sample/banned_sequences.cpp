#include "engine/sample/banned_sequences.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace octet {
namespace {

bool EndsWith(std::span<const int32_t> tokens, std::span<const int32_t> end) {
  return tokens.size() >= end.size() && std::equal(end.rbegin(), end.rend(), tokens.rbegin());
}

}  // namespace

BannedSequences::BannedSequences(std::vector<std::vector<int32_t>> sequences) : sequences_(std::move(sequences)) {
  for (const std::vector<int32_t>& sequence : sequences_)
    longest_prefix_ = std::max(longest_prefix_, sequence.size() - 1);
  recent_.reserve(longest_prefix_);
}

void BannedSequences::Add(int32_t token) {
  if (longest_prefix_ == 0) return;
  if (recent_.size() == longest_prefix_) recent_.erase(recent_.begin());
  recent_.push_back(token);
}

void BannedSequences::Apply(std::span<float> logits) const {
  for (const std::vector<int32_t>& sequence : sequences_) {
    const std::span<const int32_t> all(sequence);
    if (EndsWith(recent_, all.first(all.size() - 1)))
      logits[static_cast<size_t>(all.back())] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace octet
