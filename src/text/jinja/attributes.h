// Attributes named by text, as filters take them: "address.city", "0.name", 3.
#pragma once

#include "text/jinja/evaluator.h"

namespace octet::jinja {

// The attribute of `item`; `path` is a string with dots, an integer, or none for the item itself. `otherwise`, where it
// is not missing, stands for every undefined step.
Result<Value> AttributeOf(Evaluator& evaluator, const Value& item, const Value& path, const Value& otherwise = Value());

}  // namespace octet::jinja
