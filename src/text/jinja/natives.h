// Functions that templates can call but not write: filters, tests, methods of strings, lists and dicts, and globals.
//
//   {"replace", "old new count?", Replace}     {{ text | replace("a", "b", count=1) }}
//
// `parameters` lists names in order; ? marks those that may be left out (kMissing then), and a leading / says that none
// can be given by name. A variadic function takes what comes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace octet::jinja {

class Evaluator;

using Bound = std::vector<Value>;  // arguments in the order of the parameters

struct Native {
  std::string_view name;
  std::string_view parameters;
  Result<Value> (*function)(Evaluator& evaluator, const Value& subject, Bound& arguments) = nullptr;
  Result<Value> (*variadic)(Evaluator& evaluator, const Value& subject, Arguments& arguments) = nullptr;
};

Result<Value> CallNative(Evaluator& evaluator, const Native& native, const Value& subject, Arguments arguments);

// Null where there is none of the name.
const Native* FindFilter(std::string_view name);
const Native* FindTest(std::string_view name);
const Native* FindMethod(const Value& value, std::string_view name);
const Native* FindGlobal(std::string_view name);

// The tables, by the file that holds them.
std::span<const Native> TextFilters();       // filters_text.cpp
std::span<const Native> MarkupFilters();     // filters_markup.cpp
std::span<const Native> NumberFilters();     // filters_number.cpp
std::span<const Native> SequenceFilters();   // filters_sequence.cpp
std::span<const Native> SelectionFilters();  // filters_selection.cpp
std::span<const Native> TestTable();         // tests.cpp
std::span<const Native> TextMethods();       // methods_text.cpp
std::span<const Native> SearchMethods();     // methods_search.cpp
std::span<const Native> PropertyMethods();   // methods_property.cpp
std::span<const Native> ListMethods();       // methods_container.cpp
std::span<const Native> TupleMethods();
std::span<const Native> DictMethods();
std::span<const Native> GlobalTable();  // globals.cpp

}  // namespace octet::jinja
