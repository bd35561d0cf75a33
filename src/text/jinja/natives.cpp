#include "text/jinja/natives.h"

#include <algorithm>

#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

const Native* FindIn(std::span<const Native> table, std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Native& native) { return native.name == name; });
  return found == table.end() ? nullptr : &*found;
}

struct ParameterName {
  std::string_view name;
  bool optional;
};

std::vector<ParameterName> ReadParameters(std::string_view list) {
  std::vector<ParameterName> parameters;
  while (!list.empty()) {
    const size_t space = std::min(list.find(' '), list.size());
    std::string_view name = list.substr(0, space);
    list.remove_prefix(std::min(space + 1, list.size()));
    if (name == "/") continue;
    const bool optional = name.back() == '?';
    if (optional) name.remove_suffix(1);
    parameters.push_back({name, optional});
  }
  return parameters;
}

Result<Bound> BindArguments(const Native& native, Arguments arguments) {
  const std::vector<ParameterName> parameters = ReadParameters(native.parameters);
  if (arguments.positional.size() > parameters.size()) {
    return Refuse(native.name, " takes at most ", parameters.size(), " argument(s), ", arguments.positional.size(),
                  " given");
  }
  Bound bound = std::move(arguments.positional);
  const size_t given = bound.size();
  bound.resize(parameters.size());
  for (auto& argument : arguments.named) {
    const std::string_view name = argument.first.text();
    const auto found =
        std::find_if(parameters.begin(), parameters.end(), [&](const auto& entry) { return entry.name == name; });
    if (found == parameters.end() || native.parameters.starts_with('/')) {
      return Refuse(native.name, " got an unexpected keyword argument '", name, "'");
    }
    const auto index = static_cast<size_t>(found - parameters.begin());
    if (index < given) return Refuse(native.name, " got multiple values for argument '", name, "'");
    bound[index] = std::move(argument.second);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (bound[i].missing() && !parameters[i].optional) {
      return Refuse(native.name, " misses the argument '", parameters[i].name, "'");
    }
  }
  return bound;
}

}  // namespace

Result<Value> CallNative(Evaluator& evaluator, const Native& native, const Value& subject, Arguments arguments) {
  if (native.variadic != nullptr) return native.variadic(evaluator, subject, arguments);
  Bound bound = OCTET_TRY(BindArguments(native, std::move(arguments)));
  return native.function(evaluator, subject, bound);
}

const Native* FindFilter(std::string_view name) {
  for (const auto table : {TextFilters(), MarkupFilters(), NumberFilters(), SequenceFilters(), SelectionFilters()}) {
    if (const Native* native = FindIn(table, name)) return native;
  }
  return nullptr;
}

const Native* FindTest(std::string_view name) { return FindIn(TestTable(), name); }
const Native* FindGlobal(std::string_view name) { return FindIn(GlobalTable(), name); }

const Native* FindMethod(const Value& value, std::string_view name) {
  if (value.Is(Kind::kString)) {
    for (const auto table : {TextMethods(), SearchMethods(), PropertyMethods()}) {
      if (const Native* native = FindIn(table, name)) return native;
    }
    return nullptr;
  }
  if (value.Is(Kind::kDict)) return FindIn(DictMethods(), name);
  if (!value.Is(Kind::kSequence)) return nullptr;
  if (value.sequence().type == SequenceKind::kList) return FindIn(ListMethods(), name);
  return value.sequence().IsIndexed() ? FindIn(TupleMethods(), name) : nullptr;
}

}  // namespace octet::jinja
