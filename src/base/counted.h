// A number and what is counted, as messages have them.
//
//   Cat("has ", Counted(tokens, "token"), " in ", Counted(groups, "matrix", "matrices"))     "has 1 token in 3
//   matrices"
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cat.h"

namespace octet {

// Without `many` it is `one` with an s.
inline std::string Counted(uint64_t number, std::string_view one, std::string_view many = {}) {
  if (number == 1) return Cat(number, " ", one);
  return many.empty() ? Cat(number, " ", one, "s") : Cat(number, " ", many);
}

}  // namespace octet
