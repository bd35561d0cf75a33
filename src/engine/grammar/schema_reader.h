// A JSON Schema as a grammar of the JSON texts that are valid by it.
//
//   Grammar grammar;
//   RuleId object = OCTET_TRY(AddSchema(schema_text, grammar, limits));
//
// Each schema inside becomes a rule of its own, in the order of a list, so that neither nesting nor recursion in the
// schema costs call depth. What of JSON Schema is supported: docs/guided_output.md; any other keyword is refused with
// its path. Parts: schema_merge.h (allOf), schema_objects.h, schema_scalars.h.
#pragma once

#include <string_view>

#include "base/error.h"
#include "engine/grammar/expression.h"
#include "engine/grammar/program.h"

namespace octet::grammar {

// The schema's rule; the first of `grammar` where that was empty. Fails with invalid_argument for what is no schema or
// goes beyond the limits, with unsupported for what can't be exact, naming the path.
Result<RuleId> AddSchema(std::string_view text, Grammar& grammar, const GrammarLimits& limits);

}  // namespace octet::grammar
