// Characters and classes of a regular expression or a GBNF grammar; a part of their parsers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "engine/grammar/code_points.h"

namespace octet::grammar {

// A pattern and how far it has been read.
struct PatternText {
  std::string_view text;
  size_t at = 0;

  bool AtEnd() const { return at == text.size(); }
  char Peek() const { return AtEnd() ? '\0' : text[at]; }
  bool Take(std::string_view expected);
};

// \d, \w and \s.
const CodePointSet& DigitSet();
const CodePointSet& WordSet();
const CodePointSet& SpaceSet();
const CodePointSet& LineEndSet();

// One whole character. Requires UTF-8 and that it is not at the end.
uint32_t TakeCharacter(PatternText& pattern);

// So many hexadecimal digits; absent where there are fewer.
std::optional<uint32_t> TakeHex(PatternText& pattern, size_t digits);

// A number without sign, large ones as kMostRepeats; absent where there is no digit.
std::optional<uint32_t> TakeNumber(PatternText& pattern);
inline constexpr uint32_t kMostRepeats = 1'000'000'000;

// What stands behind a backslash, which has been taken. `in_class`: \b is a backspace.
Result<CodePointSet> TakeEscape(PatternText& pattern, bool in_class);

// [...], whose bracket has been taken.
Result<CodePointSet> TakeClass(PatternText& pattern);

}  // namespace octet::grammar
