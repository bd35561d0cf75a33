#include "base/nearest.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/cat.h"

namespace octet {
namespace {

// Names are short; a hostile word must not cost its square.
constexpr size_t kLongestName = 128;

size_t Allowance(std::string_view wanted) { return std::max<size_t>(wanted.size() / 3, wanted.size() >= 4 ? 2 : 1); }

}  // namespace

// Optimal string alignment: rows of the dynamic programme for a[..i], with the last two kept for swaps.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string> Nearest(std::string_view wanted, std::span<const std::string> candidates) {
  if (wanted.empty() || wanted.size() > kLongestName) return std::nullopt;
  const std::string* nearest = nullptr;
  size_t least = Allowance(wanted) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const bool shortened = wanted.size() >= 3 && candidate.starts_with(wanted);
    const size_t distance = shortened ? 1 : EditDistance(wanted, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = &candidate;
    }
  }
  if (nearest == nullptr) return std::nullopt;
  return *nearest;
}

std::string DidYouMean(std::string_view wanted, std::span<const std::string> candidates) {
  const std::optional<std::string> nearest = Nearest(wanted, candidates);
  return nearest ? Cat("; did you mean `", *nearest, "`?") : std::string();
}

}  // namespace octet
