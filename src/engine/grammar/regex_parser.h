// Regular expressions into a grammar's expressions. What is generated is found by an automaton: no backtracking.
//
//   NodeId node = OCTET_TRY(ParseRegex("[A-Z]{2}\\d+", grammar, {.whole = true}));
//
// The dialect is what JavaScript and Python agree on: characters, ., [...], [^...], (...), (?:...), named groups, |,
// * + ? {m} {m,} {m,n} and their lazy forms (the same texts), ^ and $ at the ends, \d \w \s \D \W \S \t \n \r \f \v \0
// \xHH \uHHHH \u{H}. As in JavaScript, \d and \w are ASCII, \s is Unicode white space, . is all but line ends. Back
// references, look-around, \b, flags, \p and possessive quantifiers are refused with their place.
#pragma once

#include <functional>
#include <string_view>

#include "base/error.h"
#include "engine/grammar/expression.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

struct RegexOptions {
  bool whole = true;  // the whole text matches; else any part of it does, as JSON Schema's `pattern` wants
  // How a character of a set is written; where not given, as itself in UTF-8.
  std::function<NodeId(Grammar&, const CodePointSet&)> spell = {};
  GrammarLimits limits = {};
};

// Fails with invalid_argument for a malformed pattern and unsupported for what can't be an automaton, both naming the
// byte of the pattern.
Result<NodeId> ParseRegex(std::string_view pattern, Grammar& grammar, const RegexOptions& options);

}  // namespace octet::grammar
