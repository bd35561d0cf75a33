#include "text/jinja/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/format_fields.h"
#include "text/jinja/literals.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

constexpr size_t kMaximumSize = 1'000'000;

// One conversion of the % operator.
struct Conversion {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  size_t width = 0;
  std::optional<size_t> precision;
  char type = 0;
};

// Hands out the values of `format % values` in order, or by name.
class PercentValues {
 public:
  explicit PercentValues(const Value& values) : values_(values) {
    tuple_ = values.Is(Kind::kSequence) && values.sequence().type == SequenceKind::kTuple;
  }

  Result<Value> Next() {
    const size_t count = tuple_ ? values_.sequence().items.size() : 1;
    if (next_ >= count) return Refuse("not enough arguments for format string");
    ++next_;
    return tuple_ ? values_.sequence().items[next_ - 1] : values_;
  }
  Result<Value> Named(std::string_view name) {
    if (!values_.Is(Kind::kDict)) return Refuse("format requires a mapping");
    named_ = true;
    const Value* found = values_.dict().FindText(name);
    if (found == nullptr) return Refuse("KeyError: '", name, "'");
    return *found;
  }
  // Python lets a mapping or a list go unused, but no other value.
  bool AllUsed() const {
    if (named_ || values_.Is(Kind::kDict)) return true;
    if (tuple_) return next_ == values_.sequence().items.size();
    return next_ == 1 || values_.Is(Kind::kSequence);
  }

 private:
  const Value& values_;
  bool tuple_ = false, named_ = false;
  size_t next_ = 0;
};

Result<std::optional<size_t>> SizeOrStar(std::string_view text, size_t& at, PercentValues& values) {
  if (at >= text.size() || text[at] != '*') return ReadSize(text, at);
  ++at;
  const Value value = OCTET_TRY(values.Next());
  const Integer size = OCTET_TRY(IntegerArgument(value, 0));
  if (!value.IsWhole() || size < 0 || size > static_cast<Integer>(kMaximumSize)) return Refuse("* wants int");
  return std::optional<size_t>(static_cast<size_t>(size));
}

Result<Conversion> ReadConversion(std::string_view text, size_t& at, PercentValues& values) {
  Conversion out;
  for (; at < text.size(); ++at) {
    if (text[at] == '-')
      out.left = true;
    else if (text[at] == '0')
      out.zero = true;
    else if (text[at] == '+')
      out.plus = true;
    else if (text[at] == ' ')
      out.space = true;
    else if (text[at] == '#')
      out.alternate = true;
    else
      break;
  }
  out.width = OCTET_TRY(SizeOrStar(text, at, values)).value_or(0);
  if (at < text.size() && text[at] == '.') out.precision = OCTET_TRY(SizeOrStar(text, ++at, values)).value_or(0);
  while (at < text.size() && (text[at] == 'l' || text[at] == 'h' || text[at] == 'L')) ++at;
  if (at == text.size()) return Refuse("incomplete format");
  out.type = text[at++];
  return out;
}

// The converted value without padding; a sign, if any, stands first.
Result<MarkedString> Convert(Budget& budget, const Conversion& conversion, const Value& value) {
  MarkedString text;
  switch (conversion.type) {
    case 's':
    case 'r':
    case 'a': {
      OCTET_TRY(conversion.type == 's' ? AppendText(budget, value, text) : AppendRepr(budget, value, text));
      if (conversion.precision) OCTET_TRY(budget.Fit(2 * text.memory()));
      if (conversion.precision) text = text.Slice(0, OffsetOfCharacter(text.text(), *conversion.precision));
      return text;
    }
    case 'c':
      if (value.Is(Kind::kString) && value.string().characters == 1) return value.string().marked;
      if (!value.IsWhole()) return Refuse("%c requires int or char");
      return FormatValue(budget, value, "c");
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
      if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
      if (!value.IsNumber()) return Refuse("must be real number, not ", TypeName(value));
      const double number = value.AsFloat();
      const std::string digits = OCTET_TRY(
          PrintReal(std::fabs(number), conversion.type, conversion.precision.value_or(6), conversion.alternate));
      const bool negative = std::signbit(number) && !std::isnan(number);
      return MarkedString((negative           ? "-"
                           : conversion.plus  ? "+"
                           : conversion.space ? " "
                                              : "") +
                              digits,
                          value.trusted());
    }
    default:
      return Refuse("unsupported format character '", conversion.type, "'");
  }
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  const bool decimal = conversion.type == 'd' || conversion.type == 'i' || conversion.type == 'u';
  if (!value.IsWhole() && !(decimal && value.Is(Kind::kFloat) && std::fabs(value.real()) < 1e38)) {
    return Refuse("%", conversion.type, " format: ", decimal ? "a real number" : "an integer", " is required, not ",
                  TypeName(value));
  }
  const Integer number = value.IsWhole() ? value.integer() : static_cast<Integer>(value.real());
  const unsigned base = decimal ? 10 : conversion.type == 'o' ? 8 : 16;
  std::string digits = DigitsOf(number, base, conversion.type == 'X');
  if (conversion.precision && digits.size() < *conversion.precision)
    digits.insert(0, *conversion.precision - digits.size(), '0');
  if (conversion.alternate && !decimal) digits.insert(0, std::string("0") + conversion.type);
  return MarkedString((number < 0         ? "-"
                       : conversion.plus  ? "+"
                       : conversion.space ? " "
                                          : "") +
                          digits,
                      value.trusted());
}

Status AppendPadded(Budget& budget, const Conversion& conversion, const MarkedString& text, MarkedString& out) {
  OCTET_TRY(budget.Fit(2 * (out.memory() + text.memory())));
  const size_t size = CharactersIn(text.text());
  const bool numeric = std::string_view("srac").find(conversion.type) == std::string_view::npos;
  const Integer missing = conversion.width > size ? static_cast<Integer>(conversion.width - size) : 0;
  const bool zeros = conversion.zero && numeric && !conversion.left;
  const MarkedString padding = OCTET_TRY(Padding(budget, missing, zeros ? "0" : " ", text.trusted()));
  const size_t sign =
      zeros && !text.empty() && std::string_view("+- ").find(text.text()[0]) != std::string_view::npos ? 1 : 0;
  out.AppendSlice(text, 0, sign);
  if (!conversion.left) out.Append(padding);
  out.AppendSlice(text, sign, text.size());
  if (conversion.left) out.Append(padding);
  return {};
}

}  // namespace

Result<std::optional<size_t>> ReadSize(std::string_view text, size_t& at) {
  const size_t begin = at;
  size_t size = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    size = size * 10 + static_cast<size_t>(text[at] - '0');
    if (size > kMaximumSize) return Refuse("a width or precision above ", kMaximumSize, " is refused");
  }
  return at == begin ? std::nullopt : std::optional<size_t>(size);
}

std::string DigitsOf(Integer value, unsigned base, bool upper) {
  __extension__ unsigned __int128 magnitude = static_cast<unsigned __int128>(value);
  if (value < 0) magnitude = ~magnitude + 1;
  std::string digits;
  do {
    digits.push_back((upper ? "0123456789ABCDEF" : "0123456789abcdef")[static_cast<size_t>(magnitude % base)]);
    magnitude /= base;
  } while (magnitude != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

Result<std::string> PrintReal(double value, char type, size_t precision, bool alternate) {
  if (precision > 2000) return Refuse("a float with ", precision, " digits is refused, at most 2000 are possible");
  const char format[] = {
      '%', alternate ? '#' : '.', alternate ? '.' : '*', alternate ? '*' : type, alternate ? type : '\0', '\0'};
  char text[2600];
  const int size = std::snprintf(text, sizeof text, format, static_cast<int>(precision), value);
  return std::string(text, static_cast<size_t>(std::clamp(size, 0, static_cast<int>(sizeof text) - 1)));
}

Result<Value> FormatPercent(Budget& budget, const StringObject& format, const Value& given) {
  PercentValues values(given);
  const std::string_view text = format.text();
  MarkedString out;
  for (size_t at = 0; at < text.size();) {
    const size_t percent = std::min(text.find('%', at), text.size());
    OCTET_TRY(budget.AllowBehind(out.memory(), format.marked.MemoryOfSlice(at, percent)));
    out.AppendSlice(format.marked, at, percent);
    if (percent == text.size()) break;
    at = percent + 1;
    OCTET_TRY(budget.Spend(1));
    if (at < text.size() && text[at] == '%') {
      out.AppendSlice(format.marked, at, at + 1);
      ++at;
      continue;
    }
    std::optional<Value> named;
    if (at < text.size() && text[at] == '(') {
      const size_t close = text.find(')', at);
      if (close == std::string_view::npos) return Refuse("incomplete format key");
      named = OCTET_TRY(values.Named(text.substr(at + 1, close - at - 1)));
      at = close + 1;
    }
    const Conversion conversion = OCTET_TRY(ReadConversion(text, at, values));
    if (conversion.type == '%') {
      out.AppendSlice(format.marked, at - 1, at);
      continue;
    }
    const Value value = named ? *named : OCTET_TRY(values.Next());
    const MarkedString converted = OCTET_TRY(Convert(budget, conversion, value));
    OCTET_TRY(AppendPadded(budget, conversion, converted, out));
  }
  if (!values.AllUsed()) return Refuse("not all arguments converted during string formatting");
  return MakeString(budget, std::move(out), format.markup);
}

}  // namespace octet::jinja
