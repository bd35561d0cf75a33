#include "text/jinja/literals.h"

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "text/jinja/characters.h"

namespace octet::jinja {
namespace {

bool IsAsciiDigit(char byte) { return byte >= '0' && byte <= '9'; }

int DigitValue(char byte) {
  if (IsAsciiDigit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'Z') return byte - 'A' + 10;
  return 99;
}

// Length of digits of the base from `at` on, with single underscores between them.
size_t DigitsAt(std::string_view text, size_t at, int base, bool leading_underscore) {
  size_t end = at;
  for (size_t i = at; i < text.size();) {
    const size_t digit = text[i] == '_' && (i > at || leading_underscore) ? i + 1 : i;
    if (digit >= text.size() || DigitValue(text[digit]) >= base) break;
    i = end = digit + 1;
  }
  return end - at;
}

size_t FloatSize(std::string_view text) {
  size_t size = DigitsAt(text, 0, 10, false);
  bool is_float = false;
  if (size < text.size() && text[size] == '.') {
    if (const size_t fraction = DigitsAt(text, size + 1, 10, false); fraction > 0) {
      size += 1 + fraction;
      is_float = true;
    }
  }
  if (size < text.size() && (text[size] == 'e' || text[size] == 'E')) {
    const size_t sign = size + 1 < text.size() && (text[size + 1] == '+' || text[size + 1] == '-') ? 1 : 0;
    if (const size_t exponent = DigitsAt(text, size + 1 + sign, 10, false); exponent > 0) {
      size += 1 + sign + exponent;
      is_float = true;
    }
  }
  return is_float ? size : 0;
}

std::string WithoutUnderscores(std::string_view text) {
  std::string plain;
  for (const char byte : text) {
    if (byte != '_') plain.push_back(byte);
  }
  return plain;
}

// Reads `digits` hexadecimal digits at `at`, which moves behind them.
bool ReadHex(std::string_view text, size_t& at, size_t digits, char32_t& character) {
  if (at + digits > text.size()) return false;
  character = 0;
  for (size_t i = 0; i < digits; ++i, ++at) {
    const int digit = DigitValue(text[at]);
    if (digit >= 16) return false;
    character = character * 16 + static_cast<char32_t>(digit);
  }
  return true;
}

constexpr std::pair<char, char> kSimpleEscapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'}, {'b', '\b'},
                                                    {'f', '\f'},  {'n', '\n'},  {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};

// Python first writes a character beyond ASCII as an escape, whose own backslash the one before it then quotes.
void AppendQuotedCharacter(std::string_view text, size_t& at, std::string& out) {
  char escape[16];
  const auto code = static_cast<unsigned>(DecodeCharacter(text, at));
  std::snprintf(escape, sizeof escape, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
  out += escape;
}

const char* UnescapeOne(std::string_view text, size_t& at, std::string& out) {
  const char kind = text[at];
  for (const auto& [letter, byte] : kSimpleEscapes) {
    if (kind == letter) return out.push_back(byte), ++at, nullptr;
  }
  if (kind == '\n') return ++at, nullptr;
  if (kind == 'N') return "\\N{...} names are not supported, write the character itself";
  if (static_cast<unsigned char>(kind) >= 0x80) return AppendQuotedCharacter(text, at, out), nullptr;
  char32_t character = 0;
  if (kind >= '0' && kind <= '7') {
    for (size_t digits = 0; digits < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++digits, ++at) {
      character = character * 8 + static_cast<char32_t>(text[at] - '0');
    }
  } else if (kind == 'x' || kind == 'u' || kind == 'U') {
    if (!ReadHex(text, ++at, kind == 'x' ? 2 : kind == 'u' ? 4 : 8, character))
      return "truncated \\x, \\u or \\U escape";
  } else {
    out.push_back('\\');
    return nullptr;
  }
  if (character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) return "an escape names no character";
  AppendCharacter(out, character);
  return nullptr;
}

}  // namespace

std::optional<Integer> ParseInteger(std::string_view digits, int base) {
  const bool negative = !digits.empty() && digits[0] == '-';
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
  bool prefixed = false;
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    prefixed = (base == 16 && letter == 'x') || (base == 8 && letter == 'o') || (base == 2 && letter == 'b');
    if (prefixed) digits.remove_prefix(2);
  }
  if (digits.empty() || DigitsAt(digits, 0, base, prefixed) != digits.size()) return std::nullopt;
  Integer value = 0;
  for (const char byte : digits) {
    if (byte == '_') continue;
    if (__builtin_mul_overflow(value, base, &value)) return std::nullopt;
    if (__builtin_sub_overflow(value, DigitValue(byte), &value)) return std::nullopt;
  }
  // Summed up as a negative number, whose range is one larger.
  if (negative) return value;
  if (__builtin_sub_overflow(Integer{0}, value, &value)) return std::nullopt;
  return value;
}

std::optional<double> ParseFloat(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  bool digit_before = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit_after = i + 1 < text.size() && IsAsciiDigit(text[i + 1]);
    if (text[i] == '_' && digit_before && digit_after) continue;
    if (text[i] == '_' || text[i] == '\0' || text[i] == '(' || text[i] == 'x' || text[i] == 'X') return std::nullopt;
    digit_before = IsAsciiDigit(text[i]);
    plain.push_back(text[i]);
  }
  char* end = nullptr;
  const double value = std::strtod(plain.c_str(), &end);
  if (plain.empty() || IsSpace(static_cast<unsigned char>(plain[0])) || *end != 0) return std::nullopt;
  return value;
}

NumberLiteral ReadNumber(std::string_view text, bool float_allowed) {
  if (const size_t size = float_allowed ? FloatSize(text) : 0; size > 0) {
    return {Value::FromFloat(std::strtod(WithoutUnderscores(text.substr(0, size)).c_str(), nullptr)), size};
  }
  size_t size = 0;
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 0x20);
    const int prefix_base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    const size_t digits = prefix_base == 0 ? 0 : DigitsAt(text, 2, prefix_base, true);
    if (digits > 0) size = 2 + digits, base = prefix_base;
  }
  // A decimal number that begins with 0 is zeros alone.
  if (size == 0) size = DigitsAt(text, 0, text[0] == '0' ? 1 : 10, false);
  const std::optional<Integer> value = ParseInteger(text.substr(0, size), base);
  return {value ? Value::FromInteger(*value) : Value(), size};
}

const char* Unescape(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out.push_back(text[at++]);
      continue;
    }
    if (const char* problem = UnescapeOne(text, ++at, out)) return problem;
  }
  return nullptr;
}

}  // namespace octet::jinja
