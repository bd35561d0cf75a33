#include "models/score.h"

#include <algorithm>
#include <cmath>

namespace octet {
namespace {

// max_element passes over NaN; the sum below then turns NaN by itself.
size_t Top(std::span<const float> logits) {
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double LogSumExpAbove(std::span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

}  // namespace

double LogSumExp(std::span<const float> logits) { return LogSumExpAbove(logits, logits[Top(logits)]); }

double NegativeLogLikelihood(std::span<const float> logits, size_t target) {
  return LogSumExp(logits) - static_cast<double>(logits[target]);
}

Divergence Compare(std::span<const float> a, std::span<const float> b, size_t target) {
  const size_t top_a = Top(a), top_b = Top(b);
  const double total_a = LogSumExpAbove(a, a[top_a]), total_b = LogSumExpAbove(b, b[top_b]);
  double kl = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double log_a = a[i] - total_a;
    const double p = std::exp(log_a);
    // A token that `a` rules out adds nothing, whatever `b` thinks of it; 0 * infinity would be NaN.
    if (p > 0) kl += p * (log_a - (b[i] - total_b));
  }
  // Rounding can leave a tiny negative sum where the distributions are equal.
  if (kl < 0) kl = 0;
  return {.kl = kl, .nll_a = total_a - a[target], .nll_b = total_b - b[target], .same_top = top_a == top_b};
}

}  // namespace octet
