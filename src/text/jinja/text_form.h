// How values print: Python's str() and repr(), and HTML escaping.
//
//   OCTET_TRY(AppendText(budget, value, out));     {{ value }}
//
// Characters of strings keep their marks. What repr adds (quotes, brackets, escapes) counts as data.
#pragma once

#include "text/jinja/value.h"

namespace octet::jinja {

// str(value): the empty string for undefined.
Status AppendText(Budget& budget, const Value& value, MarkedString& out);
Result<MarkedString> TextOf(Budget& budget, const Value& value);
// repr(value): strings in quotes.
Status AppendRepr(Budget& budget, const Value& value, MarkedString& out);
// As Python prints a float: shortest digits that read back the same, with an exponent from 1e16 on and below 1e-4.
std::string FloatText(double value);

// & < > ' " become entities, as markupsafe writes them.
MarkedString EscapeHtml(const MarkedString& text);

}  // namespace octet::jinja
