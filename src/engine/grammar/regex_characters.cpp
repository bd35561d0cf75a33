#include "engine/grammar/regex_characters.h"

#include <algorithm>
#include <string>
#include <vector>

#include "text/utf8.h"

namespace octet::grammar {
namespace {

CodePointSet One(uint32_t code_point) { return {{code_point, code_point}}; }

// A set of one character, and that character.
std::optional<uint32_t> Single(const CodePointSet& set) {
  const bool single = set.ranges().size() == 1 && set.ranges()[0].low == set.ranges()[0].high;
  return single ? std::optional(set.ranges()[0].low) : std::nullopt;
}

Result<CodePointSet> TakeCodePoint(PatternText& pattern, size_t begin) {
  std::optional<uint32_t> value;
  if (pattern.Take("{")) {
    size_t digits = 0;
    value = 0;
    for (; digits < 6; ++digits) {
      const std::optional<uint32_t> digit = TakeHex(pattern, 1);
      if (!digit) break;
      value = *value * 16 + *digit;
    }
    if (digits == 0 || !pattern.Take("}")) value.reset();
  } else {
    value = TakeHex(pattern, 4);
    // A character beyond U+FFFF may be written as two surrogates.
    PatternText second = pattern;
    if (value && *value >= 0xD800 && *value <= 0xDBFF && second.Take("\\u")) {
      const std::optional<uint32_t> low = TakeHex(second, 4);
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        value = 0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00);
        pattern = second;
      }
    }
  }
  if (!value || *value > kLastCodePoint || (*value >= 0xD800 && *value <= 0xDFFF))
    return Fail(ErrorCode::kInvalidArgument, "the pattern's \\u at byte ", begin, " names no character");
  return One(*value);
}

}  // namespace

bool PatternText::Take(std::string_view expected) {
  if (!text.substr(at).starts_with(expected)) return false;
  at += expected.size();
  return true;
}

const CodePointSet& DigitSet() {
  static const CodePointSet set = {{'0', '9'}};
  return set;
}

const CodePointSet& WordSet() {
  static const CodePointSet set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}

const CodePointSet& SpaceSet() {
  static const CodePointSet set = {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                   {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                   {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}

const CodePointSet& LineEndSet() {
  static const CodePointSet set = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

uint32_t TakeCharacter(PatternText& pattern) {
  const Utf8Char c = DecodeUtf8(pattern.text, pattern.at);
  pattern.at += c.bytes;
  return c.code_point;
}

std::optional<uint32_t> TakeHex(PatternText& pattern, size_t digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = pattern.at + i < pattern.text.size() ? pattern.text[pattern.at + i] : '\0';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  pattern.at += digits;
  return value;
}

std::optional<uint32_t> TakeNumber(PatternText& pattern) {
  const size_t begin = pattern.at;
  uint64_t value = 0;
  for (; pattern.Peek() >= '0' && pattern.Peek() <= '9'; ++pattern.at)
    value = std::min<uint64_t>(kMostRepeats, value * 10 + static_cast<uint64_t>(pattern.Peek() - '0'));
  return pattern.at == begin ? std::nullopt : std::optional(static_cast<uint32_t>(value));
}

Result<CodePointSet> TakeEscape(PatternText& pattern, bool in_class) {
  const size_t begin = pattern.at - 1;
  if (pattern.AtEnd()) return Fail(ErrorCode::kInvalidArgument, "the pattern ends in a single backslash");
  const uint32_t c = TakeCharacter(pattern);
  switch (c) {
    case 'd':
      return DigitSet();
    case 'D':
      return DigitSet().Complement();
    case 'w':
      return WordSet();
    case 'W':
      return WordSet().Complement();
    case 's':
      return SpaceSet();
    case 'S':
      return SpaceSet().Complement();
    case 't':
      return One('\t');
    case 'n':
      return One('\n');
    case 'r':
      return One('\r');
    case 'f':
      return One('\f');
    case 'v':
      return One('\v');
    case 'x': {
      const std::optional<uint32_t> value = TakeHex(pattern, 2);
      if (!value)
        return Fail(ErrorCode::kInvalidArgument, "the pattern's \\x at byte ", begin, " wants two hexadecimal digits");
      return One(*value);
    }
    case 'u':
      return TakeCodePoint(pattern, begin);
    default:
      break;
  }
  if (c == '0' && !(pattern.Peek() >= '0' && pattern.Peek() <= '9')) return One(0);
  if (c == 'b' && in_class) return One('\b');
  if (WordSet().Contains(c) && c != '_') {
    return Fail(
        ErrorCode::kUnsupported, "the pattern has \\", std::string(1, static_cast<char>(c)), " at byte ", begin,
        ", which is not supported: of letters and digits behind a backslash, d w s D W S t n r f v 0 x and u are");
  }
  return One(c);
}

Result<CodePointSet> TakeClass(PatternText& pattern) {
  const size_t begin = pattern.at - 1;
  const bool negated = pattern.Take("^");
  std::vector<CodePointRange> ranges;
  const auto take_one = [&]() -> Result<CodePointSet> {
    if (pattern.Take("\\")) return TakeEscape(pattern, /*in_class=*/true);
    return One(TakeCharacter(pattern));
  };
  if (pattern.Peek() == ']')
    return Fail(ErrorCode::kInvalidArgument, "the pattern's class at byte ", begin,
                " is empty; write \\] for a bracket");
  while (!pattern.Take("]")) {
    if (pattern.AtEnd()) return Fail(ErrorCode::kInvalidArgument, "the pattern's class at byte ", begin, " has no end");
    const CodePointSet first = OCTET_TRY(take_one());
    const bool is_range =
        pattern.Peek() == '-' && pattern.at + 1 < pattern.text.size() && pattern.text[pattern.at + 1] != ']';
    if (!is_range) {
      ranges.insert(ranges.end(), first.ranges().begin(), first.ranges().end());
      continue;
    }
    const size_t dash = pattern.at++;
    const CodePointSet last = OCTET_TRY(take_one());
    const std::optional<uint32_t> low = Single(first), high = Single(last);
    if (!low || !high || *low > *high)
      return Fail(ErrorCode::kInvalidArgument, "the pattern's range at byte ", dash,
                  " doesn't go up from one character to another");
    ranges.push_back({*low, *high});
  }
  CodePointSet set(std::move(ranges));
  return negated ? set.Complement() : set;
}

}  // namespace octet::grammar
