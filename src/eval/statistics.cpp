#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace octet {

double LikelihoodSum::Mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double LikelihoodSum::Perplexity() const { return std::exp(Mean()); }

double LikelihoodSum::PerplexityError() const {
  if (count_ < 2) return 0;
  const double count = static_cast<double>(count_);
  const double variance = std::max(0.0, squares_ / count - Mean() * Mean());
  return Perplexity() * std::sqrt(variance / (count - 1));
}

double Mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Quantile(std::span<const double> values, double fraction) {
  if (values.empty()) return 0;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = std::clamp(fraction, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return (1 - part) * sorted[below] + part * sorted[above];
}

}  // namespace octet
