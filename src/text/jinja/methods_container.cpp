// Methods of lists, tuples and dicts; those that would change them are refused by the evaluator (natives.h).
#include <algorithm>

#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

Result<Value> Count(Evaluator& evaluator, const Value& self, Bound& arguments) {
  Integer count = 0;
  for (const Value& item : self.sequence().items)
    count += OCTET_TRY(Equal(evaluator.budget(), item, arguments[0])) ? 1 : 0;
  return Value::FromInteger(count);
}

Result<Value> Index(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const std::vector<Value>& items = self.sequence().items;
  const Integer length = static_cast<Integer>(items.size());
  const auto clamp = [&](Integer at) {
    return static_cast<size_t>(std::clamp<Integer>(at < 0 ? std::max<Integer>(at, -length) + length : at, 0, length));
  };
  const size_t begin = clamp(OCTET_TRY(IntegerArgument(arguments[1], 0))),
               end = clamp(OCTET_TRY(IntegerArgument(arguments[2], length)));
  for (size_t i = begin; i < end; ++i) {
    if (OCTET_TRY(Equal(evaluator.budget(), items[i], arguments[0])))
      return Value::FromInteger(static_cast<Integer>(i));
  }
  return Refuse("the value is not in the ", TypeName(self));
}

Result<Value> CopyList(Evaluator& evaluator, const Value& self, Bound&) {
  OCTET_TRY(evaluator.budget().Allow(self.sequence().items.size() * sizeof(Value)));
  return MakeSequence(evaluator.budget(), SequenceKind::kList, self.sequence().items);
}

Result<Value> Get(Evaluator& evaluator, const Value& self, Bound& arguments) {
  if (!IsHashable(arguments[0])) return Refuse("unhashable type: '", TypeName(arguments[0]), "'");
  OCTET_TRY(evaluator.budget().SpendBytes(KeyBytes(arguments[0])));
  if (const Value* found = self.dict().Find(arguments[0])) return *found;
  return arguments[1].missing() ? Value::None() : arguments[1];
}

template <SequenceKind type>
Result<Value> View(Evaluator& evaluator, const Value& self, Bound&) {
  Budget& budget = evaluator.budget();
  OCTET_TRY(budget.Allow(self.dict().entries.size() * sizeof(Value)));
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries) {
    if (type == SequenceKind::kItems) {
      OCTET_TRY(budget.Spend(1));
      items.push_back(OCTET_TRY(MakeSequence(budget, SequenceKind::kTuple, {key, value})));
    } else {
      items.push_back(type == SequenceKind::kKeys ? key : value);
    }
  }
  return MakeSequence(budget, type, std::move(items));
}

Result<Value> CopyDict(Evaluator&, const Value& self, Bound&) { return self; }

constexpr Native kListMethods[] = {
    {"copy", "", CopyList}, {"count", "/ value", Count}, {"index", "/ value start? stop?", Index}};
constexpr Native kTupleMethods[] = {{"count", "/ value", Count}, {"index", "/ value start? stop?", Index}};
constexpr Native kDictMethods[] = {
    {"copy", "", CopyDict},
    {"get", "/ key default?", Get},
    {"items", "", View<SequenceKind::kItems>},
    {"keys", "", View<SequenceKind::kKeys>},
    {"values", "", View<SequenceKind::kValues>},
};

}  // namespace

std::span<const Native> ListMethods() { return kListMethods; }
std::span<const Native> TupleMethods() { return kTupleMethods; }
std::span<const Native> DictMethods() { return kDictMethods; }

}  // namespace octet::jinja
