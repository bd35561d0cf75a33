// Pieces that both kinds of formatting share: sizes, digits in a base, and floats by printf's rules.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace octet::jinja {

// The decimal number at `at`, which moves behind it; nothing where there is none. Refuses more than 1,000,000.
Result<std::optional<size_t>> ReadSize(std::string_view text, size_t& at);
// |value| in the base (2 .. 16).
std::string DigitsOf(Integer value, unsigned base, bool upper);
// A float by printf's e, f or g, upper-case or not, with Python's limits on the precision.
Result<std::string> PrintReal(double value, char type, size_t precision, bool alternate);

}  // namespace octet::jinja
