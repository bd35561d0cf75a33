// Arithmetic on numbers, and what + * % do with strings and lists (operations.h).
#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/operations.h"
#include "text/jinja/text_form.h"

namespace octet::jinja {
namespace {

tl::unexpected<Error> Overflow() { return Refuse("an integer leaves 128 bits"); }

tl::unexpected<Error> Unsupported(std::string_view symbol, const Value& a, const Value& b) {
  return Refuse("unsupported operand type(s) for ", symbol, ": '", TypeName(a), "' and '", TypeName(b), "'");
}

std::string_view ArithmeticSymbol(Operator operation) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
  return kSymbols[static_cast<size_t>(operation)];
}

// Quotient rounded down, with its remainder, as Python divides.
std::pair<Integer, Integer> FloorDivide(Integer a, Integer b) {
  Integer quotient = a / b, remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    --quotient;
    remainder += b;
  }
  return {quotient, remainder};
}

double FloorModulo(double a, double b) {
  double remainder = std::fmod(a, b);
  if (remainder != 0) {
    if ((remainder < 0) != (b < 0)) remainder += b;
  } else {
    remainder = std::copysign(0.0, b);
  }
  return remainder;
}

double FloorQuotient(double a, double b) {
  const double quotient = (a - FloorModulo(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Result<Value> WholePower(Integer base, Integer exponent, bool trusted) {
  if (exponent < 0) {
    if (base == 0) return Refuse("0.0 cannot be raised to a negative power");
    return Value::FromFloat(std::pow(static_cast<double>(base), static_cast<double>(exponent)), trusted);
  }
  Integer result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return Overflow();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return Overflow();
  }
  return Value::FromInteger(result, trusted);
}

Result<Value> FloatArithmetic(Operator operation, double a, double b, bool trusted) {
  switch (operation) {
    case Operator::kAdd:
      return Value::FromFloat(a + b, trusted);
    case Operator::kSubtract:
      return Value::FromFloat(a - b, trusted);
    case Operator::kMultiply:
      return Value::FromFloat(a * b, trusted);
    case Operator::kPower: {
      if (a == 0 && b < 0) return Refuse("0.0 cannot be raised to a negative power");
      const double power = std::pow(a, b);
      if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) return Refuse("the power is a complex number");
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) return Refuse("Numerical result out of range");
      return Value::FromFloat(power, trusted);
    }
    default:
      break;
  }
  if (b == 0) return Refuse("division by zero");
  if (operation == Operator::kDivide) return Value::FromFloat(a / b, trusted);
  if (operation == Operator::kModulo) return Value::FromFloat(FloorModulo(a, b), trusted);
  return Value::FromFloat(FloorQuotient(a, b), trusted);
}

Result<Value> RepeatSequence(Budget& budget, const Value& value, Integer count) {
  const Sequence& sequence = value.sequence();
  if (count < 0) count = 0;
  const size_t size = sequence.items.size();
  if (size != 0 && count > static_cast<Integer>(budget.limits().memory_bytes)) count = budget.limits().memory_bytes;
  const size_t repeats = size == 0 ? 0 : static_cast<size_t>(count);
  if (repeats != 0 && size > budget.limits().memory_bytes / repeats) {
    return Fail(ErrorCode::kExhausted, "a list of ", size, " items repeated ", repeats,
                " times is above the memory limit of ", budget.limits().memory_bytes, " bytes");
  }
  OCTET_TRY(budget.Allow(size * repeats * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(size * repeats);
  for (size_t i = 0; i < repeats; ++i) items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  return MakeSequence(budget, sequence.type, std::move(items));
}

Result<Value> RepeatText(Budget& budget, const StringObject& string, Integer count) {
  const size_t size = string.marked.size();
  if (count <= 0 || size == 0) return MakeString(budget, MarkedString(), string.markup);
  if (count > static_cast<Integer>(budget.limits().memory_bytes / size)) {
    return Fail(ErrorCode::kExhausted, "a string of ", size, " bytes repeated ", IntegerText(count),
                " times is above the memory limit of ", budget.limits().memory_bytes, " bytes");
  }
  OCTET_TRY(budget.Allow(string.marked.MemoryOf(static_cast<size_t>(count))));
  MarkedString text;
  const size_t runs = string.marked.runs();
  text.Reserve(size * static_cast<size_t>(count), runs > 1 ? runs * static_cast<size_t>(count) : 1);
  for (Integer i = 0; i < count; ++i) text.Append(string.marked);
  return MakeString(budget, std::move(text), string.markup);
}

Result<Value> AddTexts(Budget& budget, const Value& a, const Value& b) {
  const MarkedString &left = a.string().marked, &right = b.string().marked;
  const bool markup = a.string().markup || b.string().markup;
  // Escaped, a character has up to five bytes, and is there once more until it is appended.
  OCTET_TRY(budget.Allow((left.MemoryOf(1) + right.MemoryOf(1)) * (markup ? 10 : 1)));
  MarkedString text;
  text.Reserve(left.size() + right.size(), left.runs() + right.runs());
  for (const Value* value : {&a, &b}) {
    const StringObject& part = value->string();
    if (markup && !part.markup)
      text.Append(EscapeHtml(part.marked));
    else
      text.Append(part.marked);
  }
  return MakeString(budget, std::move(text), markup);
}

Result<Value> AddSequences(Budget& budget, const Value& a, const Value& b) {
  OCTET_TRY(budget.Allow((a.sequence().items.size() + b.sequence().items.size()) * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(a.sequence().items.size() + b.sequence().items.size());
  items = a.sequence().items;
  items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
  return MakeSequence(budget, a.sequence().type, std::move(items));
}

bool IsListOrTuple(const Value& value) {
  return value.Is(Kind::kSequence) && value.sequence().type <= SequenceKind::kTuple;
}

}  // namespace

Result<Value> WholeArithmetic(Operator operation, const Value& a, const Value& b) {
  const Integer x = a.integer(), y = b.integer();
  const bool trusted = a.trusted() && b.trusted();
  Integer result = 0;
  switch (operation) {
    case Operator::kAdd:
      if (__builtin_add_overflow(x, y, &result)) return Overflow();
      return Value::FromInteger(result, trusted);
    case Operator::kSubtract:
      if (__builtin_sub_overflow(x, y, &result)) return Overflow();
      return Value::FromInteger(result, trusted);
    case Operator::kMultiply:
      if (__builtin_mul_overflow(x, y, &result)) return Overflow();
      return Value::FromInteger(result, trusted);
    case Operator::kPower:
      return WholePower(x, y, trusted);
    default:
      break;
  }
  if (y == 0) return Refuse(operation == Operator::kDivide ? "division by zero" : "integer division or modulo by zero");
  if (operation == Operator::kDivide) {
    return Value::FromFloat(static_cast<double>(x) / static_cast<double>(y), trusted);
  }
  if (y == -1) return operation == Operator::kModulo ? Value::FromInteger(0, trusted) : Negate(a);
  const auto [quotient, remainder] = FloorDivide(x, y);
  return Value::FromInteger(operation == Operator::kModulo ? remainder : quotient, trusted);
}

Result<Value> Negate(const Value& value) {
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  if (value.Is(Kind::kFloat)) return Value::FromFloat(-value.real(), value.trusted());
  if (!value.IsWhole()) return Refuse("bad operand type for unary -: '", TypeName(value), "'");
  return WholeArithmetic(Operator::kSubtract, Value::FromInteger(0),
                         Value::FromInteger(value.integer(), value.trusted()));
}

Result<Value> Arithmetic(Budget& budget, Operator operation, const Value& a, const Value& b) {
  OCTET_TRY(budget.Spend(1));
  if (operation == Operator::kModulo && a.Is(Kind::kString)) return FormatPercent(budget, a.string(), b);
  if (a.Is(Kind::kUndefined)) return RefuseUndefined(a);
  if (b.Is(Kind::kUndefined)) return RefuseUndefined(b);
  if (a.IsNumber() && b.IsNumber()) {
    if (a.IsWhole() && b.IsWhole()) return WholeArithmetic(operation, a, b);
    return FloatArithmetic(operation, a.AsFloat(), b.AsFloat(), a.trusted() && b.trusted());
  }
  if (operation == Operator::kAdd) {
    if (a.Is(Kind::kString) && b.Is(Kind::kString)) return AddTexts(budget, a, b);
    if (a.Is(Kind::kString)) return Refuse("can only concatenate str (not \"", TypeName(b), "\") to str");
    if (IsListOrTuple(a) && IsListOrTuple(b) && a.sequence().type == b.sequence().type)
      return AddSequences(budget, a, b);
  }
  if (operation == Operator::kMultiply) {
    if (a.Is(Kind::kString) && b.IsWhole()) return RepeatText(budget, a.string(), b.integer());
    if (b.Is(Kind::kString) && a.IsWhole()) return RepeatText(budget, b.string(), a.integer());
    if (IsListOrTuple(a) && b.IsWhole()) return RepeatSequence(budget, a, b.integer());
    if (IsListOrTuple(b) && a.IsWhole()) return RepeatSequence(budget, b, a.integer());
  }
  return Unsupported(ArithmeticSymbol(operation), a, b);
}

}  // namespace octet::jinja
