// Scanners for the patterns by which published tokenizers cut text into words: the same cuts as the regular expression
// makes, without the regular expression.
//
//   if (PatternScanner scan = FindPatternScanner(pattern)) {
//     for (size_t at = 0; at < text.size(); at = end) end = scan(text, at, classes);
//   }
//
// Any other pattern runs in text/regex.h. The tests hold every scanner against its expression.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/unicode.h"

namespace octet {

// End of the match that begins at text[at], or `at` where none does. Requires valid UTF-8 and at < text.size().
using PatternScanner = size_t (*)(std::string_view text, size_t at, const CharClasses& classes);

inline constexpr std::string_view kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// Null for a pattern that has no scanner.
PatternScanner FindPatternScanner(std::string_view pattern);

}  // namespace octet
