// What logits say about a known next token, and how far two models' predictions are apart.
//
//   double nll = NegativeLogLikelihood(logits, target);
//   Divergence d = Compare(logits_a, logits_b, target);   // d.kl = KL(a || b)
//
// Everything is computed in double and shifted by the largest logit, so no logit is too large. Sums over a text:
// eval/statistics.h. Cutting the text: eval/windows.h.
#pragma once

#include <cstddef>
#include <span>

namespace octet {

// log(sum_i exp(logits[i])). Requires at least one logit; NaN or +infinity among them gives NaN.
double LogSumExp(std::span<const float> logits);

// -log softmax(logits)[target], in nats. Requires target < logits.size().
double NegativeLogLikelihood(std::span<const float> logits, size_t target);

// Both models at one position.
struct Divergence {
  double kl = 0;  // sum_i p_a(i) * (log p_a(i) - log p_b(i)), in nats; never below 0
  double nll_a = 0;
  double nll_b = 0;
  bool same_top = false;  // both rank the same token first, ties to the lowest id
};

// Requires a.size() == b.size() and target < a.size(). Work: three exponentials per logit.
Divergence Compare(std::span<const float> a, std::span<const float> b, size_t target);

}  // namespace octet
