// Literals of the template language: numbers, and the escapes of strings.
//
//   NumberLiteral literal = ReadNumber("0x1F + 2", true);     // value 31, size 4
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace octet::jinja {

struct NumberLiteral {
  Value value;  // kMissing where an integer leaves 128 bits
  size_t size = 0;
};

// The number that `text` begins with. Requires a decimal digit there.
NumberLiteral ReadNumber(std::string_view text, bool float_allowed);

// Appends `text` with Python's escapes resolved. Returns what is wrong, or null.
const char* Unescape(std::string_view text, std::string& out);

// An integer written in the base (2 .. 36), `_` between digits allowed. Nothing where it isn't one or leaves 128 bits.
std::optional<Integer> ParseInteger(std::string_view digits, int base);
// A float as Python's float() reads it: spaces around, inf, nan, `_` between digits.
std::optional<double> ParseFloat(std::string_view text);

}  // namespace octet::jinja
