// Methods of strings that ask what kind of characters they hold (natives.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"

namespace octet::jinja {
namespace {

// Whether the string has characters and all of them have the property.
template <bool (*property)(char32_t)>
Result<Value> All(Evaluator& evaluator, const Value& self, Bound&) {
  const std::string_view text = self.string().text();
  OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
  for (size_t at = 0; at < text.size();) {
    if (!property(DecodeCharacter(text, at))) return Value::FromBool(false);
  }
  return Value::FromBool(!text.empty());
}

bool IsAlphanumeric(char32_t character) { return IsAlpha(character) || IsDigit(character) || IsNumeric(character); }

template <bool (*wanted)(char32_t), bool (*other)(char32_t)>
Result<Value> HasCase(Evaluator& evaluator, const Value& self, Bound&) {
  const std::string_view text = self.string().text();
  OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = DecodeCharacter(text, at);
    if (other(character) || IsTitle(character)) return Value::FromBool(false);
    found = found || wanted(character);
  }
  return Value::FromBool(found);
}

// Upper case only behind characters without case, lower case only behind those with.
Result<Value> TitleCased(Evaluator& evaluator, const Value& self, Bound&) {
  const std::string_view text = self.string().text();
  OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
  bool inside = false, found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = DecodeCharacter(text, at);
    const bool upper = IsUpper(character) || IsTitle(character), lower = IsLower(character);
    if ((upper && inside) || (lower && !inside)) return Value::FromBool(false);
    inside = upper || lower;
    found = found || inside;
  }
  return Value::FromBool(found);
}

Result<Value> Ascii(Evaluator&, const Value& self, Bound&) { return Value::FromBool(self.string().ascii()); }

Result<Value> Printable(Evaluator& evaluator, const Value& self, Bound& arguments) {
  return self.string().marked.empty() ? Result<Value>(Value::FromBool(true))
                                      : All<IsPrintable>(evaluator, self, arguments);
}

Result<Value> Identifier(Evaluator& evaluator, const Value& self, Bound& arguments) {
  size_t at = 0;
  if (self.string().marked.empty() || !IsIdentifierStart(DecodeCharacter(self.string().text(), at)))
    return Value::FromBool(false);
  return All<IsWord>(evaluator, self, arguments);
}

constexpr Native kPropertyMethods[] = {
    {"isalnum", "", All<IsAlphanumeric>},
    {"isalpha", "", All<IsAlpha>},
    {"isascii", "", Ascii},
    {"isdecimal", "", All<IsDecimal>},
    {"isdigit", "", All<IsDigit>},
    {"isidentifier", "", Identifier},
    {"islower", "", HasCase<IsLower, IsUpper>},
    {"isnumeric", "", All<IsNumeric>},
    {"isprintable", "", Printable},
    {"isspace", "", All<IsSpace>},
    {"istitle", "", TitleCased},
    {"isupper", "", HasCase<IsUpper, IsLower>},
};

}  // namespace

std::span<const Native> PropertyMethods() { return kPropertyMethods; }

}  // namespace octet::jinja
