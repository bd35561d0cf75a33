#include "engine/speculate/ngram_drafter.h"

#include <algorithm>

namespace octet {
namespace {

constexpr size_t kLongestMatch = 3, kShortestMatch = 2;
constexpr size_t kTokensLookedAt = 8192;

// Behind the latest place where the last `length` tokens stood before; tokens.size() where there is none.
size_t FindBefore(std::span<const int32_t> tokens, size_t length) {
  if (tokens.size() <= length) return tokens.size();
  const std::span<const int32_t> wanted = tokens.last(length);
  for (size_t end = tokens.size() - 1; end >= length; --end) {
    if (std::equal(wanted.begin(), wanted.end(), tokens.begin() + static_cast<std::ptrdiff_t>(end - length)))
      return end;
  }
  return tokens.size();
}

}  // namespace

void NgramDrafter::Propose(std::span<const int32_t> tokens, size_t most, std::vector<int32_t>& draft) {
  tokens = tokens.last(std::min(tokens.size(), kTokensLookedAt));
  most = std::min(most, most_tokens_);
  for (size_t length = kLongestMatch; length >= kShortestMatch; --length) {
    const size_t follows = FindBefore(tokens, length);
    if (follows == tokens.size()) continue;
    // A text that repeats itself goes on from what is guessed already.
    const size_t begin = draft.size();
    for (size_t i = 0; i < most; ++i) {
      const size_t at = follows + i;
      draft.push_back(at < tokens.size() ? tokens[at] : draft[begin + at - tokens.size()]);
    }
    return;
  }
}

}  // namespace octet
