// Python's two ways to format text: "%s: %5.2f" % values and "{name:>8}".format(...).
#pragma once

#include "text/jinja/value.h"

namespace octet::jinja {

class Evaluator;

// format % values; `values` is a tuple, a dict for %(name)s, or one value.
Result<Value> FormatPercent(Budget& budget, const StringObject& format, const Value& values);

// format.format(...): fields by position and name, with attributes, items, !r and a format specification.
Result<Value> FormatBraces(Evaluator& evaluator, const StringObject& format, const Arguments& arguments);

// One value by a format specification, as Python's format(value, specification).
Result<MarkedString> FormatValue(Budget& budget, const Value& value, std::string_view specification);

}  // namespace octet::jinja
