// Python's format specifications: [[fill]align][sign][#][0][width][,][.precision][type] (format.h).
#include <cmath>
#include <cstdio>

#include "text/jinja/characters.h"
#include "text/jinja/format.h"
#include "text/jinja/format_fields.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

struct Specification {
  std::string fill = " ";
  char align = 0, sign = '-', grouping = 0, type = 0;
  bool alternate = false, zero = false;
  size_t width = 0;
  std::optional<size_t> precision;
};

bool IsAlign(char byte) { return byte == '<' || byte == '>' || byte == '^' || byte == '='; }

Result<Specification> ReadSpecification(std::string_view text) {
  Specification out;
  size_t at = 0;
  size_t after_fill = 0;
  if (!text.empty()) DecodeCharacter(text, after_fill);
  if (after_fill > 0 && after_fill < text.size() && IsAlign(text[after_fill])) {
    out.fill = text.substr(0, after_fill);
    out.align = text[after_fill];
    at = after_fill + 1;
  } else if (!text.empty() && IsAlign(text[0])) {
    out.align = text[at++];
  }
  const auto sees = [&](std::string_view set) {
    return at < text.size() && set.find(text[at]) != std::string_view::npos;
  };
  if (sees("+- ")) out.sign = text[at++];
  if (sees("#")) out.alternate = true, ++at;
  if (sees("0")) out.zero = true, ++at;
  out.width = OCTET_TRY(ReadSize(text, at)).value_or(0);
  if (sees(",_")) out.grouping = text[at++];
  if (sees(".")) {
    out.precision = OCTET_TRY(ReadSize(text, ++at));
    if (!out.precision) return Refuse("Format specifier missing precision");
  }
  if (at < text.size()) out.type = text[at++];
  if (at < text.size()) return Refuse("Invalid format specifier '", text, "'");
  return out;
}

// Digits with a separator every three (or four, for bases of two).
std::string Group(const std::string& digits, char separator, size_t every) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

Result<MarkedString> Pad(Budget& budget, const Specification& spec, const std::string& sign, const MarkedString& body,
                         char default_align, bool trusted) {
  char align = spec.align != 0 ? spec.align : default_align;
  std::string_view fill = spec.fill;
  if (spec.zero && spec.align == 0) {
    fill = "0";
    align = default_align == '>' ? '=' : '<';
  }
  const size_t size = CharactersIn(body.text()) + sign.size();
  const Integer missing = spec.width > size ? static_cast<Integer>(spec.width - size) : 0;
  const Integer before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  MarkedString out;
  out.Reserve(sign.size() + static_cast<size_t>(missing) * fill.size() + body.size(), body.runs());
  if (align == '=') out.Append(sign, trusted);
  out.Append(OCTET_TRY(Padding(budget, before, fill, trusted)));
  if (align != '=') out.Append(sign, trusted);
  out.Append(body);
  out.Append(OCTET_TRY(Padding(budget, missing - before, fill, trusted)));
  return out;
}

std::string SignOf(bool negative, char wanted) { return negative ? "-" : wanted == '-' ? "" : std::string(1, wanted); }

Result<MarkedString> FormatWhole(Budget& budget, const Value& value, const Specification& spec) {
  if (spec.precision) return Refuse("Precision not allowed in integer format specifier");
  const char type = spec.type == 0 || spec.type == 'n' ? 'd' : spec.type;
  if (type == 'c') {
    const Integer code = value.integer();
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return Refuse("%c arg not in range(0x110000)");
    std::string text;
    AppendCharacter(text, static_cast<char32_t>(code));
    return Pad(budget, spec, "", MarkedString(text, value.trusted()), '<', value.trusted());
  }
  const unsigned base = type == 'd' ? 10 : type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 0;
  if (base == 0) return Refuse("Unknown format code '", type, "' for object of type 'int'");
  std::string digits = DigitsOf(value.integer(), base, type == 'X');
  if (spec.grouping != 0) digits = Group(digits, spec.grouping, base == 10 ? 3 : 4);
  std::string sign = SignOf(value.integer() < 0, spec.sign);
  if (spec.alternate && base != 10) sign += std::string("0") + type;
  return Pad(budget, spec, sign, MarkedString(digits, value.trusted()), '>', value.trusted());
}

Result<MarkedString> FormatReal(Budget& budget, const Value& value, const Specification& spec) {
  const double number = value.AsFloat();
  std::string text;
  if (spec.type == 0 && !spec.precision) {
    text = FloatText(std::fabs(number));
  } else {
    const char type = spec.type == 0 || spec.type == 'n' ? 'g' : spec.type == '%' ? 'f' : spec.type;
    if (std::string_view("eEfFgG").find(type) == std::string_view::npos) {
      return Refuse("Unknown format code '", type, "' for object of type 'float'");
    }
    text = OCTET_TRY(PrintReal(std::fabs(spec.type == '%' ? number * 100 : number), type, spec.precision.value_or(6),
                               spec.alternate));
    // Without a type a float never looks like an integer.
    if (spec.type == 0 && text.find_first_of(".en") == std::string::npos) text += ".0";
  }
  if (spec.grouping != 0) {
    const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    text = Group(text.substr(0, end), spec.grouping, 3) + text.substr(end);
  }
  if (spec.type == '%') text += '%';
  const bool negative = std::signbit(number) && !std::isnan(number);
  return Pad(budget, spec, SignOf(negative, spec.sign), MarkedString(text, value.trusted()), '>', value.trusted());
}

}  // namespace

Result<MarkedString> FormatValue(Budget& budget, const Value& value, std::string_view specification) {
  if (specification.empty()) return TextOf(budget, value);
  const Specification spec = OCTET_TRY(ReadSpecification(specification));
  if (value.Is(Kind::kString)) {
    if (spec.type != 0 && spec.type != 's')
      return Refuse("Unknown format code '", spec.type, "' for object of type 'str'");
    if (spec.align == '=' || spec.sign != '-' || spec.grouping != 0 || spec.alternate)
      return Refuse("Sign, '=', ',' or '#' not allowed in string format specifier");
    const MarkedString& whole = value.string().marked;
    const size_t end = spec.precision ? OffsetOfCharacter(whole.text(), *spec.precision) : whole.size();
    OCTET_TRY(budget.Allow(2 * whole.MemoryOfSlice(0, end)));
    return Pad(budget, spec, "", whole.Slice(0, end), '<', whole.trusted());
  }
  const bool real_type = spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (value.Is(Kind::kBool) && spec.type == 0) return FormatWhole(budget, value, spec);
  if (value.IsWhole() && !real_type) return FormatWhole(budget, value, spec);
  if (value.IsNumber()) return FormatReal(budget, value, spec);
  return Refuse("unsupported format string passed to ", TypeName(value), ".__format__");
}

}  // namespace octet::jinja
