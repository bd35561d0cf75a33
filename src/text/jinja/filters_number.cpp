// Filters that yield numbers, and the one that prints sizes (natives.h).
#include <cmath>
#include <cstdio>

#include "text/jinja/evaluator.h"
#include "text/jinja/literals.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

Result<Value> Abs(Evaluator&, const Value& subject, Bound&) {
  if (subject.Is(Kind::kUndefined)) return RefuseUndefined(subject);
  if (subject.Is(Kind::kFloat)) return Value::FromFloat(std::fabs(subject.real()), subject.trusted());
  if (!subject.IsWhole()) return Refuse("bad operand type for abs(): '", TypeName(subject), "'");
  return subject.integer() < 0 ? Negate(subject) : Value::FromInteger(subject.integer(), subject.trusted());
}

// What a number or a numeral is worth as a float; nothing where it is neither.
Result<std::optional<double>> FloatOf(Budget& budget, const Value& value) {
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  if (value.IsNumber()) return std::optional<double>(value.AsFloat());
  if (!value.Is(Kind::kString)) return std::optional<double>();
  const std::string_view text = value.string().text();
  OCTET_TRY(budget.SpendCharacters(text.size()));
  const Part part = OCTET_TRY(StrippedPart(budget, text, std::nullopt, Side::kBoth));
  OCTET_TRY(budget.Fit(part.end - part.begin));
  return ParseFloat(text.substr(part.begin, part.end - part.begin));
}

bool TrustOf(const Value& value) { return value.Is(Kind::kString) ? value.string().marked.trusted() : value.trusted(); }

Result<Value> Float(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  if (const auto value = OCTET_TRY(FloatOf(evaluator.budget(), subject)))
    return Value::FromFloat(*value, TrustOf(subject));
  return arguments[0].missing() ? Value::FromFloat(0) : arguments[0];
}

// The whole part, or nothing where there is none that fits.
std::optional<Integer> Truncated(double value) {
  if (!(std::fabs(value) < 1e38)) return std::nullopt;
  return static_cast<Integer>(value);
}

Result<Value> Int(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value otherwise = arguments[0].missing() ? Value::FromInteger(0) : arguments[0];
  const Integer base = OCTET_TRY(IntegerArgument(arguments[1], 10));
  if (subject.IsWhole()) return Value::FromInteger(subject.integer(), subject.trusted());
  if (subject.Is(Kind::kString)) {
    const std::string_view text = subject.string().text();
    OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
    const Part part = OCTET_TRY(StrippedPart(evaluator.budget(), text, std::nullopt, Side::kBoth));
    if (base >= 2 && base <= 36) {
      if (const auto value = ParseInteger(text.substr(part.begin, part.end - part.begin), static_cast<int>(base)))
        return Value::FromInteger(*value, TrustOf(subject));
    }
  }
  if (subject.Is(Kind::kFloat) && std::isinf(subject.real())) return otherwise;
  const auto value = OCTET_TRY(FloatOf(evaluator.budget(), subject));
  if (!value || !std::isfinite(*value)) return otherwise;
  if (const auto whole = Truncated(*value)) return Value::FromInteger(*whole, TrustOf(subject));
  return Refuse("an integer leaves 128 bits");
}

// Half to even at the decimal digit, by way of the printed number as CPython does it.
double RoundDecimal(double value, int digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits < -300) return std::copysign(0.0, value);
  if (digits < 0) {
    const double power = std::pow(10.0, -digits);
    return std::nearbyint(value / power) * power;
  }
  char text[700];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return std::strtod(text, nullptr);
}

Result<Value> RoundWhole(const Value& value, Integer digits) {
  if (digits >= 0) return Value::FromInteger(value.integer(), value.trusted());
  if (digits < -38) return Value::FromInteger(0, value.trusted());
  Integer power = 1;
  for (Integer i = 0; i < -digits; ++i) power *= 10;
  Integer quotient = value.integer() / power, remainder = value.integer() % power;
  if (remainder < 0) remainder += power, --quotient;
  if (remainder > power - remainder || (remainder == power - remainder && (quotient & 1) != 0)) ++quotient;
  return WholeArithmetic(Operator::kMultiply, Value::FromInteger(quotient, value.trusted()), Value::FromInteger(power));
}

Result<Value> Round(Evaluator&, const Value& subject, Bound& arguments) {
  const Integer precision = std::clamp<Integer>(OCTET_TRY(IntegerArgument(arguments[0], 0)), -400, 400);
  const std::string_view method = arguments[1].missing() ? "common" : OCTET_TRY(StringArgument(arguments[1]))->text();
  if (method != "common" && method != "ceil" && method != "floor")
    return Refuse("method must be common, ceil or floor");
  if (subject.Is(Kind::kUndefined)) return RefuseUndefined(subject);
  if (!subject.IsNumber()) return Refuse("type ", TypeName(subject), " doesn't define __round__ method");
  if (method == "common") {
    if (subject.IsWhole()) return RoundWhole(subject, precision);
    return Value::FromFloat(RoundDecimal(subject.real(), static_cast<int>(precision)), subject.trusted());
  }
  const double scale = std::pow(10.0, static_cast<double>(precision)), scaled = subject.AsFloat() * scale;
  if (!std::isfinite(scaled) || scale == 0)
    return Refuse("cannot round ", FloatText(subject.AsFloat()), " to so many digits");
  const double rounded = (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
  return Value::FromFloat(rounded == 0 ? 0.0 : rounded, subject.trusted());
}

Result<Value> FileSizeFormat(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  static constexpr const char* kPrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  const auto bytes = OCTET_TRY(FloatOf(evaluator.budget(), subject));
  if (!bytes) return Refuse("could not convert to a number of bytes");
  const bool binary = BoolArgument(arguments[0], false), trusted = TrustOf(subject);
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return MakeText(evaluator.budget(), "1 Byte", trusted);
  if (*bytes < base)
    return MakeText(evaluator.budget(), Cat(IntegerText(static_cast<Integer>(*bytes)), " Bytes"), trusted);
  double unit = base;
  size_t prefix = 0;
  for (; prefix < 8; ++prefix) {
    unit *= base;
    if (*bytes < unit) break;
  }
  prefix = std::min<size_t>(prefix, 7);
  char text[400];
  std::snprintf(text, sizeof text, "%.1f %s%sB", base * *bytes / unit, binary && prefix == 0 ? "K" : kPrefixes[prefix],
                binary ? "i" : "");
  return MakeText(evaluator.budget(), text, trusted);
}

constexpr Native kNumberFilters[] = {
    {"abs", "", Abs},
    {"filesizeformat", "binary?", FileSizeFormat},
    {"float", "default?", Float},
    {"int", "default? base?", Int},
    {"round", "precision? method?", Round},
};

}  // namespace

std::span<const Native> NumberFilters() { return kNumberFilters; }

}  // namespace octet::jinja
