// Tests: what may stand behind `is` (natives.h).
#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

template <Kind kind>
Result<Value> IsKind(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(kind));
}

Result<Value> Defined(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(!subject.Is(Kind::kUndefined));
}
Result<Value> True(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kBool) && subject.boolean());
}
Result<Value> False(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kBool) && !subject.boolean());
}
Result<Value> Number(Evaluator&, const Value& subject, Bound&) { return Value::FromBool(subject.IsNumber()); }

Result<Value> Remainder(Evaluator& evaluator, const Value& subject, const Value& divisor, Integer wanted) {
  const Value remainder = OCTET_TRY(Arithmetic(evaluator.budget(), Operator::kModulo, subject, divisor));
  return Value::FromBool(OCTET_TRY(Equal(evaluator.budget(), remainder, Value::FromInteger(wanted))));
}

Result<Value> Odd(Evaluator& evaluator, const Value& subject, Bound&) {
  return Remainder(evaluator, subject, Value::FromInteger(2), 1);
}
Result<Value> Even(Evaluator& evaluator, const Value& subject, Bound&) {
  return Remainder(evaluator, subject, Value::FromInteger(2), 0);
}
Result<Value> DivisibleBy(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  return Remainder(evaluator, subject, arguments[0], 0);
}

Result<Value> Sequential(Evaluator&, const Value& subject, Bound&) {
  const bool indexed = subject.Is(Kind::kSequence) && subject.sequence().IsIndexed();
  return Value::FromBool(indexed || subject.Is(Kind::kString) || subject.Is(Kind::kDict) ||
                         subject.Is(Kind::kUndefined));
}

Result<Value> Iterable(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kSequence) || subject.Is(Kind::kString) || subject.Is(Kind::kDict) ||
                         subject.Is(Kind::kUndefined));
}

Result<Value> Callable(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool((subject.Is(Kind::kObject) && subject.object().callable()) || subject.Is(Kind::kUndefined));
}

Result<Value> Escaped(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kString) && subject.string().markup);
}

Result<Value> SameAs(Evaluator&, const Value& subject, Bound& arguments) {
  const Value& other = arguments[0];
  if (subject.kind() != other.kind()) return Value::FromBool(false);
  if (subject.Is(Kind::kString)) return Value::FromBool(subject.string().text() == other.string().text());
  if (subject.IsNumber()) return Value::FromBool(NumbersEqual(subject, other));
  return Value::FromBool(subject.heap() == other.heap());
}

// Whether there are cased characters and all of them have the case.
template <bool upper>
Result<Value> HasCase(Evaluator& evaluator, const Value& subject, Bound&) {
  const MarkedString text = OCTET_TRY(TextOf(evaluator.budget(), subject));
  OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = DecodeCharacter(text.text(), at);
    if (IsTitle(character) || (upper ? IsLower(character) : IsUpper(character))) return Value::FromBool(false);
    found = found || (upper ? IsUpper(character) : IsLower(character));
  }
  return Value::FromBool(found);
}

template <Operator comparison>
Result<Value> Compared(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  return Value::FromBool(OCTET_TRY(Compare(evaluator.budget(), comparison, subject, arguments[0])));
}

Result<Value> IsFilter(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kString) && FindFilter(subject.string().text()) != nullptr);
}

Result<Value> IsTest(Evaluator&, const Value& subject, Bound&) {
  return Value::FromBool(subject.Is(Kind::kString) && FindTest(subject.string().text()) != nullptr);
}

constexpr Native kTests[] = {
    {"defined", "", Defined},
    {"undefined", "", IsKind<Kind::kUndefined>},
    {"none", "", IsKind<Kind::kNone>},
    {"string", "", IsKind<Kind::kString>},
    {"mapping", "", IsKind<Kind::kDict>},
    {"boolean", "", IsKind<Kind::kBool>},
    {"integer", "", IsKind<Kind::kInteger>},
    {"float", "", IsKind<Kind::kFloat>},
    {"number", "", Number},
    {"true", "", True},
    {"false", "", False},
    {"sequence", "", Sequential},
    {"iterable", "", Iterable},
    {"callable", "", Callable},
    {"escaped", "", Escaped},
    {"sameas", "other", SameAs},
    {"odd", "", Odd},
    {"even", "", Even},
    {"divisibleby", "num", DivisibleBy},
    {"lower", "", HasCase<false>},
    {"upper", "", HasCase<true>},
    {"filter", "", IsFilter},
    {"test", "", IsTest},
    {"in", "seq", Compared<Operator::kIn>},
    {"==", "/ other", Compared<Operator::kEqual>},
    {"eq", "/ other", Compared<Operator::kEqual>},
    {"equalto", "/ other", Compared<Operator::kEqual>},
    {"!=", "/ other", Compared<Operator::kNotEqual>},
    {"ne", "/ other", Compared<Operator::kNotEqual>},
    {"<", "/ other", Compared<Operator::kLess>},
    {"lt", "/ other", Compared<Operator::kLess>},
    {"lessthan", "/ other", Compared<Operator::kLess>},
    {"<=", "/ other", Compared<Operator::kLessEqual>},
    {"le", "/ other", Compared<Operator::kLessEqual>},
    {">", "/ other", Compared<Operator::kGreater>},
    {"gt", "/ other", Compared<Operator::kGreater>},
    {"greaterthan", "/ other", Compared<Operator::kGreater>},
    {">=", "/ other", Compared<Operator::kGreaterEqual>},
    {"ge", "/ other", Compared<Operator::kGreaterEqual>},
};

}  // namespace

std::span<const Native> TestTable() { return kTests; }

}  // namespace octet::jinja
