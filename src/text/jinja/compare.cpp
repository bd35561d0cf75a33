// Truth, equality, order and membership (operations.h).
#include <cmath>
#include <cstring>

#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

enum class Order { kLess, kEqual, kGreater, kUnordered };

Order OrderNumbers(const Value& a, const Value& b) {
  if (a.IsWhole() && b.IsWhole()) {
    return a.integer() < b.integer() ? Order::kLess : a.integer() == b.integer() ? Order::kEqual : Order::kGreater;
  }
  const double x = a.AsFloat(), y = b.AsFloat();
  if (std::isnan(x) || std::isnan(y)) return Order::kUnordered;
  return x < y ? Order::kLess : x == y ? Order::kEqual : Order::kGreater;
}

Result<bool> EqualSequences(Budget& budget, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  if (a.type != b.type || !a.IsIndexed() || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!OCTET_TRY(Equal(budget, a.items[i], b.items[i]))) return false;
  }
  return true;
}

Result<bool> EqualDicts(Budget& budget, const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    OCTET_TRY(budget.SpendBytes(KeyBytes(key)));
    const Value* other = b.Find(key);
    if (other == nullptr || !OCTET_TRY(Equal(budget, value, *other))) return false;
  }
  return true;
}

std::string_view ComparisonSymbol(Operator comparison) {
  switch (comparison) {
    case Operator::kLess:
      return "<";
    case Operator::kLessEqual:
      return "<=";
    case Operator::kGreater:
      return ">";
    default:
      return ">=";
  }
}

// Lexicographic order of two lists or two tuples.
Result<bool> CompareSequences(Budget& budget, Operator comparison, const Sequence& a, const Sequence& b) {
  const size_t common = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < common; ++i) {
    if (!OCTET_TRY(Equal(budget, a.items[i], b.items[i]))) return Compare(budget, comparison, a.items[i], b.items[i]);
  }
  return Compare(budget, comparison, Value::FromInteger(static_cast<Integer>(a.items.size())),
                 Value::FromInteger(static_cast<Integer>(b.items.size())));
}

bool Holds(Operator comparison, Order order) {
  switch (comparison) {
    case Operator::kLess:
      return order == Order::kLess;
    case Operator::kLessEqual:
      return order == Order::kLess || order == Order::kEqual;
    case Operator::kGreater:
      return order == Order::kGreater;
    default:
      return order == Order::kGreater || order == Order::kEqual;
  }
}

}  // namespace

tl::unexpected<Error> RefuseUndefined(const Value& undefined) { return Refuse(undefined.undefined_message()); }

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInteger:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.real() != 0;
    case Kind::kString:
      return !value.string().marked.empty();
    case Kind::kSequence:
      return value.sequence().type == SequenceKind::kIterator || !value.sequence().items.empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    case Kind::kObject:
      return true;
  }
  return false;
}

bool NumbersEqual(const Value& a, const Value& b) { return OrderNumbers(a, b) == Order::kEqual; }

Result<bool> Equal(Budget& budget, const Value& a, const Value& b) {
  OCTET_TRY(budget.Spend(1));
  if (a.IsNumber() && b.IsNumber()) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      if (a.string().marked.size() != b.string().marked.size()) return false;
      OCTET_TRY(budget.SpendBytes(a.string().marked.size()));
      return a.string().text() == b.string().text();
    case Kind::kSequence:
      return EqualSequences(budget, a.sequence(), b.sequence());
    case Kind::kDict:
      return EqualDicts(budget, a.dict(), b.dict());
    case Kind::kObject:
      return a.heap() == b.heap();
    default:
      return true;
  }
}

Result<bool> Compare(Budget& budget, Operator comparison, const Value& a, const Value& b) {
  OCTET_TRY(budget.Spend(1));
  switch (comparison) {
    case Operator::kEqual:
      return Equal(budget, a, b);
    case Operator::kNotEqual:
      return !OCTET_TRY(Equal(budget, a, b));
    case Operator::kIn:
      return IsContained(budget, a, b);
    case Operator::kNotIn:
      return !OCTET_TRY(IsContained(budget, a, b));
    default:
      break;
  }
  if (a.Is(Kind::kUndefined)) return RefuseUndefined(a);
  if (b.Is(Kind::kUndefined)) return RefuseUndefined(b);
  if (a.IsNumber() && b.IsNumber()) return Holds(comparison, OrderNumbers(a, b));
  if (a.Is(Kind::kString) && b.Is(Kind::kString)) {
    OCTET_TRY(budget.SpendBytes(std::min(a.string().marked.size(), b.string().marked.size())));
    // UTF-8 bytes order as code points do.
    const int order = a.string().text().compare(b.string().text());
    return Holds(comparison, order < 0 ? Order::kLess : order == 0 ? Order::kEqual : Order::kGreater);
  }
  if (a.Is(Kind::kSequence) && b.Is(Kind::kSequence) && a.sequence().type == b.sequence().type &&
      (a.sequence().type == SequenceKind::kList || a.sequence().type == SequenceKind::kTuple)) {
    return CompareSequences(budget, comparison, a.sequence(), b.sequence());
  }
  return Refuse("'", ComparisonSymbol(comparison), "' not supported between instances of '", TypeName(a), "' and '",
                TypeName(b), "'");
}

Result<bool> Less(Budget& budget, const Value& a, const Value& b) { return Compare(budget, Operator::kLess, a, b); }

Result<bool> IsContained(Budget& budget, const Value& item, const Value& container) {
  switch (container.kind()) {
    case Kind::kString: {
      if (!item.Is(Kind::kString)) {
        return Refuse("'in <string>' requires string as left operand, not ", TypeName(item));
      }
      const std::string_view text = container.string().text(), part = item.string().text();
      OCTET_TRY(budget.SpendSearch(text.size() + part.size()));
      return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
    }
    case Kind::kDict:
      if (!IsHashable(item)) return Refuse("unhashable type: '", TypeName(item), "'");
      OCTET_TRY(budget.SpendBytes(KeyBytes(item)));
      return container.dict().Find(item) != nullptr;
    case Kind::kUndefined:
      return false;
    case Kind::kSequence: {
      const std::vector<Value> items = OCTET_TRY(Iterate(budget, container));
      for (const Value& other : items) {
        if ((item.heap() != nullptr && item.heap() == other.heap()) || OCTET_TRY(Equal(budget, item, other)))
          return true;
      }
      return false;
    }
    default:
      return Refuse("argument of type '", TypeName(container), "' is not iterable");
  }
}

}  // namespace octet::jinja
