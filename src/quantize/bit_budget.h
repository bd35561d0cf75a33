// Which of several precisions each part of a model gets, so that few bits cost little.
//
//   std::vector<BudgetPart> parts = {{{{.bits = 4.25e6, .loss = 0.01}, {.bits = 8e6, .loss = 1e-4}}}, ...};
//   std::vector<BudgetPoint> curve = TradeOff(parts);      // from the fewest bits to the least loss
//   const BudgetPoint* point = WithinBits(curve, 4.5e6);
//
// Losses of parts are taken to add up. What bits and losses are is the caller's: quantize/mixed_precision.h.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace octet {

struct BudgetOption {
  double bits = 0;
  double loss = 0;
};

struct BudgetPart {
  std::vector<BudgetOption> options;
};

struct BudgetPoint {
  double bits = 0;  // of all parts together
  double loss = 0;
  std::vector<size_t> choice;  // of each part, an index into its options
};

// The points at which no other choice has less loss for as many bits or fewer, among those that also win for some price
// of a bit: from each part's cheapest option on, always the step next whose bits save the most loss each (equal ones in
// the parts' order). Bits rise and losses fall from point to point. Requires at least one option a part.
std::vector<BudgetPoint> TradeOff(std::span<const BudgetPart> parts);

// The last point within the budget, with what is left of it spent on further steps that fit. Nothing where the
// cheapest point is beyond it.
std::vector<size_t> ChooseWithinBits(std::span<const BudgetPart> parts, double bits);

// Bits and loss of a choice.
BudgetPoint PointOf(std::span<const BudgetPart> parts, std::vector<size_t> choice);

}  // namespace octet
