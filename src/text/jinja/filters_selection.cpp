// Filters that order, group and select items, by an attribute or a test (natives.h).
#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/characters.h"
#include "text/jinja/literals.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

// A value to order by: strings without their case unless asked for.
Value SortKey(Evaluator& evaluator, Value value, bool case_sensitive) {
  if (case_sensitive || !value.Is(Kind::kString)) return value;
  return MakeString(evaluator.budget(), LowerText(value.string().marked));
}

struct Keyed {
  Value key;
  Value item;
};

Status SortByKey(Evaluator& evaluator, std::vector<Keyed>& items, bool reverse) {
  Status failure;
  const auto less = [&](const Keyed& a, const Keyed& b) {
    if (!failure) return false;
    const Result<bool> result =
        reverse ? Less(evaluator.budget(), b.key, a.key) : Less(evaluator.budget(), a.key, b.key);
    if (!result) failure = tl::unexpected<Error>(result.error());
    return result.value_or(false);
  };
  std::stable_sort(items.begin(), items.end(), less);
  return failure;
}

Result<Value> ItemsOf(Evaluator& evaluator, std::vector<Keyed> keyed, SequenceKind type) {
  std::vector<Value> items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return MakeSequence(evaluator.budget(), type, std::move(items));
}

// A tuple of the keys that "a,b.c" names, one key where there is no comma.
Result<Value> MultipleKeys(Evaluator& evaluator, const Value& item, const Value& attribute, bool case_sensitive) {
  std::vector<Value> keys;
  if (!attribute.Is(Kind::kString)) {
    keys.push_back(SortKey(evaluator, OCTET_TRY(AttributeOf(evaluator, item, attribute)), case_sensitive));
  } else {
    std::string_view paths = attribute.string().text();
    while (true) {
      const size_t comma = std::min(paths.find(','), paths.size());
      const Value path = MakeText(evaluator.budget(), paths.substr(0, comma), false);
      keys.push_back(SortKey(evaluator, OCTET_TRY(AttributeOf(evaluator, item, path)), case_sensitive));
      if (comma == paths.size()) break;
      paths.remove_prefix(comma + 1);
    }
  }
  return MakeSequence(evaluator.budget(), SequenceKind::kTuple, std::move(keys));
}

Result<Value> Sort(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value attribute = arguments[2].missing() ? Value::None() : arguments[2];
  std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject));
  std::vector<Keyed> keyed;
  for (Value& item : items) {
    OCTET_TRY(evaluator.budget().Fit(items.size() * sizeof(Value) + 2 * keyed.size() * sizeof(Keyed)));
    Value key = OCTET_TRY(MultipleKeys(evaluator, item, attribute, BoolArgument(arguments[1], false)));
    keyed.push_back({std::move(key), std::move(item)});
  }
  OCTET_TRY(SortByKey(evaluator, keyed, BoolArgument(arguments[0], false)));
  return ItemsOf(evaluator, std::move(keyed), SequenceKind::kList);
}

Result<Value> DictSort(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const std::string_view by = arguments[1].missing() ? "key" : OCTET_TRY(StringArgument(arguments[1]))->text();
  if (by != "key" && by != "value") return Refuse("You can only sort by either \"key\" or \"value\"");
  if (subject.Is(Kind::kUndefined)) return RefuseUndefined(subject);
  if (!subject.Is(Kind::kDict)) return Refuse("'", TypeName(subject), "' object has no attribute 'items'");
  std::vector<Keyed> items;
  for (const auto& [key, value] : subject.dict().entries) {
    OCTET_TRY(evaluator.budget().Fit(2 * items.size() * sizeof(Keyed)));
    Value pair = OCTET_TRY(MakeSequence(evaluator.budget(), SequenceKind::kTuple, {key, value}));
    items.push_back(
        {SortKey(evaluator, by == "key" ? key : value, BoolArgument(arguments[0], false)), std::move(pair)});
  }
  OCTET_TRY(SortByKey(evaluator, items, BoolArgument(arguments[2], false)));
  return ItemsOf(evaluator, std::move(items), SequenceKind::kList);
}

Result<Value> Extreme(Evaluator& evaluator, const Value& subject, Bound& arguments, bool largest) {
  const Value attribute = arguments[1].missing() ? Value::None() : arguments[1];
  std::optional<Keyed> best;
  for (Value& item : OCTET_TRY(Iterate(evaluator.budget(), subject))) {
    Value key =
        SortKey(evaluator, OCTET_TRY(AttributeOf(evaluator, item, attribute)), BoolArgument(arguments[0], false));
    const bool better =
        !best || OCTET_TRY(Compare(evaluator.budget(), largest ? Operator::kGreater : Operator::kLess, key, best->key));
    if (better) best = Keyed{std::move(key), std::move(item)};
  }
  return best ? std::move(best->item) : Value::Undefined("No aggregated item, sequence was empty.");
}

Result<Value> Min(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  return Extreme(evaluator, subject, arguments, false);
}
Result<Value> Max(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  return Extreme(evaluator, subject, arguments, true);
}

Result<Value> Unique(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value attribute = arguments[1].missing() ? Value::None() : arguments[1];
  Dict seen;
  std::vector<Value> items;
  for (Value& item : OCTET_TRY(Iterate(evaluator.budget(), subject))) {
    Value key =
        SortKey(evaluator, OCTET_TRY(AttributeOf(evaluator, item, attribute)), BoolArgument(arguments[0], false));
    if (!IsHashable(key)) return Refuse("unhashable type: '", TypeName(key), "'");
    OCTET_TRY(evaluator.budget().SpendBytes(KeyBytes(key) * 2));
    if (seen.Find(key) != nullptr) continue;
    seen.Insert(std::move(key), Value::None());
    items.push_back(std::move(item));
  }
  return MakeSequence(evaluator.budget(), SequenceKind::kIterator, std::move(items));
}

Result<Value> MakeGroup(Evaluator& evaluator, Value grouper, std::vector<Value> items) {
  auto group = std::make_shared<Sequence>();
  group->type = SequenceKind::kTuple;
  group->grouped = true;
  group->items = {std::move(grouper),
                  OCTET_TRY(MakeSequence(evaluator.budget(), SequenceKind::kList, std::move(items)))};
  return FinishSequence(evaluator.budget(), std::move(group));
}

Result<Value> GroupBy(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value otherwise = arguments[1].Is(Kind::kNone) ? Value() : arguments[1];
  const bool case_sensitive = BoolArgument(arguments[2], false);
  std::vector<Keyed> items;
  for (Value& item : OCTET_TRY(Iterate(evaluator.budget(), subject))) {
    Value key = OCTET_TRY(AttributeOf(evaluator, item, arguments[0], otherwise));
    items.push_back({SortKey(evaluator, std::move(key), case_sensitive), std::move(item)});
  }
  OCTET_TRY(SortByKey(evaluator, items, false));
  std::vector<Value> groups;
  for (size_t begin = 0; begin < items.size();) {
    std::vector<Value> members;
    size_t end = begin;
    for (; end < items.size() && OCTET_TRY(Equal(evaluator.budget(), items[begin].key, items[end].key)); ++end) {
      members.push_back(items[end].item);
    }
    if (end == begin) return Refuse("groupby: a key differs from itself");
    // Without case the key is that of the first member, as it is written there.
    Value grouper =
        case_sensitive ? items[begin].key : OCTET_TRY(AttributeOf(evaluator, members[0], arguments[0], otherwise));
    groups.push_back(OCTET_TRY(MakeGroup(evaluator, std::move(grouper), std::move(members))));
    begin = end;
  }
  return MakeSequence(evaluator.budget(), SequenceKind::kList, std::move(groups));
}

Arguments Rest(const Arguments& arguments, size_t first) {
  Arguments rest;
  rest.named = arguments.named;
  if (first < arguments.positional.size()) {
    rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(first),
                           arguments.positional.end());
  }
  return rest;
}

// A generator of what `keep` yields per item. Like Python's it fails only when the failing item is asked for.
template <class Produce>
Result<Value> Generate(Evaluator& evaluator, const Value& subject, Produce&& produce) {
  auto generator = std::make_shared<Sequence>();
  generator->type = SequenceKind::kIterator;
  const auto fill = [&]() -> Status {
    if (!IsTrue(subject)) return {};
    std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject));
    for (Value& item : items) OCTET_TRY(produce(std::move(item), generator->items));
    return {};
  };
  if (Status filled = fill(); !filled) {
    if (filled.error().code == ErrorCode::kExhausted) return tl::unexpected<Error>(filled.error());
    generator->failure = std::move(filled).error();
  }
  return FinishSequence(evaluator.budget(), std::move(generator));
}

Result<Value> Map(Evaluator& evaluator, const Value& subject, Arguments& arguments) {
  Value attribute, otherwise;
  std::string_view unexpected;
  for (const auto& [name, value] : arguments.named) {
    if (name.text() == "attribute") {
      attribute = value;
    } else if (name.text() == "default") {
      otherwise = value.Is(Kind::kNone) ? Value() : value;
    } else {
      unexpected = name.text();
    }
  }
  const bool by_attribute = arguments.positional.empty() && !attribute.missing();
  return Generate(evaluator, subject, [&](const Value& item, std::vector<Value>& out) -> Status {
    if (by_attribute && !unexpected.empty()) return Refuse("Unexpected keyword argument '", unexpected, "'");
    if (!by_attribute && arguments.positional.empty()) return Refuse("map requires a filter argument");
    Result<Value> mapped = by_attribute ? AttributeOf(evaluator, item, attribute, otherwise)
                                        : evaluator.ApplyFilter(arguments.positional[0], item, Rest(arguments, 1));
    out.push_back(OCTET_TRY(std::move(mapped)));
    return {};
  });
}

Result<Value> SelectItems(Evaluator& evaluator, const Value& subject, const Arguments& arguments, bool by_attribute,
                          bool wanted) {
  const size_t test = by_attribute ? 1 : 0;
  return Generate(evaluator, subject, [&](Value item, std::vector<Value>& out) -> Status {
    if (by_attribute && arguments.positional.empty()) return Refuse("Missing parameter for attribute name");
    const Value tested = by_attribute ? OCTET_TRY(AttributeOf(evaluator, item, arguments.positional[0])) : item;
    const bool holds =
        arguments.positional.size() <= test
            ? IsTrue(tested)
            : OCTET_TRY(evaluator.ApplyTest(arguments.positional[test], tested, Rest(arguments, test + 1)));
    if (holds == wanted) out.push_back(std::move(item));
    return {};
  });
}

template <bool by_attribute, bool wanted>
Result<Value> Select(Evaluator& evaluator, const Value& subject, Arguments& arguments) {
  return SelectItems(evaluator, subject, arguments, by_attribute, wanted);
}

constexpr Native kSelectionFilters[] = {
    {"dictsort", "case_sensitive? by? reverse?", DictSort},
    {"groupby", "attribute default? case_sensitive?", GroupBy},
    {"map", "", nullptr, Map},
    {"max", "case_sensitive? attribute?", Max},
    {"min", "case_sensitive? attribute?", Min},
    {"reject", "", nullptr, Select<false, false>},
    {"rejectattr", "", nullptr, Select<true, false>},
    {"select", "", nullptr, Select<false, true>},
    {"selectattr", "", nullptr, Select<true, true>},
    {"sort", "reverse? case_sensitive? attribute?", Sort},
    {"unique", "case_sensitive? attribute?", Unique},
};

}  // namespace

Result<Value> AttributeOf(Evaluator& evaluator, const Value& item, const Value& path, const Value& otherwise) {
  if (path.Is(Kind::kNone)) return item;
  Value value = item;
  if (!path.Is(Kind::kString)) {
    value = OCTET_TRY(evaluator.GetItem(value, path));
    return value.Is(Kind::kUndefined) && !otherwise.missing() ? otherwise : value;
  }
  std::string_view parts = path.string().text();
  while (true) {
    const size_t dot = std::min(parts.find('.'), parts.size());
    const std::string_view part = parts.substr(0, dot);
    const bool digits =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char byte) { return byte >= '0' && byte <= '9'; });
    const auto index = digits ? ParseInteger(part, 10) : std::nullopt;
    value = OCTET_TRY(
        evaluator.GetItem(value, index ? Value::FromInteger(*index) : MakeText(evaluator.budget(), part, false)));
    if (value.Is(Kind::kUndefined) && !otherwise.missing()) value = otherwise;
    if (dot == parts.size()) return value;
    parts.remove_prefix(dot + 1);
  }
}

std::span<const Native> SelectionFilters() { return kSelectionFilters; }

}  // namespace octet::jinja
