// The `tojson` filter as transformers configures it: Python's json.dumps with its spacing, no HTML escapes.
//
//   OCTET_TRY(AppendJson(budget, value, {.indent = "    "}, out));
//
// The characters of strings keep their marks; all that JSON adds counts as data.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace octet::jinja {

struct JsonStyle {
  bool ascii = false;                 // \u escapes for everything else
  std::optional<std::string> indent;  // of one level; none puts all on one line
  std::string item_separator = ", ";  // json.dumps drops the space where there is an indent
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// Fails for a value that JSON can't hold: undefined, a macro, a generator.
Status AppendJson(Budget& budget, const Value& value, const JsonStyle& style, MarkedString& out);

}  // namespace octet::jinja
