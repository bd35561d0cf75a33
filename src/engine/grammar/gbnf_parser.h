// Grammars in GBNF, the notation of llama.cpp, into rules.
//
//   root ::= "yes" | "no" reason?
//   reason ::= ", because " [a-z ]{1,80}   # a comment
//
// Texts in quotes, classes, ., names of rules, (...), |, * + ? {m} {m,} {m,n}, escapes \n \r \t \\ \" \[ \] \xHH \uHHHH
// \UHHHHHHHH. A rule ends at the end of its line unless that is inside parentheses, behind ::= or |, or the next line
// goes on with |. The grammar begins at the rule `root`.
#pragma once

#include <string_view>

#include "base/error.h"
#include "engine/grammar/expression.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

// `root` becomes the first rule of `grammar`, which must be empty. Fails with invalid_argument, naming the line, for
// what is no grammar, a rule that is missing or given twice, and one beyond the limits.
Status AddGbnf(std::string_view text, Grammar& grammar, const GrammarLimits& limits);

}  // namespace octet::grammar
