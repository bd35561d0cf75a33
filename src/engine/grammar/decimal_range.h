// Numbers between two bounds as decimal text.
//
//   NodeId month = IntegerBetween(grammar, 1, 12);
//   NodeId price = NumberBetween(grammar, {.low = 0}, {});
#pragma once

#include <cstdint>
#include <optional>

#include "engine/grammar/expression.h"

namespace octet::grammar {

// Whole numbers without leading zeros, both ends inside; an absent end is none.
NodeId IntegerBetween(Grammar& grammar, std::optional<int64_t> low, std::optional<int64_t> high);

struct NumberBounds {
  std::optional<int64_t> low = {};
  std::optional<int64_t> high = {};
  bool low_is_open = false;  // the bound itself is outside
  bool high_is_open = false;
};

// Numbers with or without a fraction, without an exponent.
NodeId NumberBetween(Grammar& grammar, const NumberBounds& bounds);

}  // namespace octet::grammar
