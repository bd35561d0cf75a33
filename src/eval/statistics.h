// Sums over the scored tokens of a text, in double and in the order of the text.
//
//   LikelihoodSum sum;
//   for (double nll : scores) sum.Add(nll);
//   Print(sum.Perplexity(), " +/- ", sum.PerplexityError());
#pragma once

#include <cstddef>
#include <span>

namespace octet {

class LikelihoodSum {
 public:
  void Add(double nll) {
    sum_ += nll;
    squares_ += nll * nll;
    ++count_;
  }

  size_t count() const { return count_; }
  // Mean negative log-likelihood, in nats; 0 for no tokens.
  double Mean() const;
  // exp(Mean()).
  double Perplexity() const;
  // Standard error of the perplexity: Perplexity() * sqrt(variance / (count - 1)), as llama.cpp states it; 0 below 2
  // tokens.
  double PerplexityError() const;

 private:
  double sum_ = 0;
  double squares_ = 0;
  size_t count_ = 0;
};

double Mean(std::span<const double> values);

// The value below which `fraction` (0..1) of the values lie, linear between neighbours; 0 for no values. Reorders
// nothing. Work: a sorted copy.
double Quantile(std::span<const double> values, double fraction);

}  // namespace octet
