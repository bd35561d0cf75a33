#include "text/pattern_scanner.h"

#include "text/utf8.h"

namespace octet {
namespace {

struct Char {
  uint32_t code_point = 0;
  uint32_t bytes = 0;
  uint16_t classes = 0;  // none at the end of the text
};

Char Look(std::string_view text, size_t at, const CharClasses& classes) {
  if (at >= text.size()) return {};
  const Utf8Char c = DecodeUtf8(text, at);
  return {c.code_point, c.bytes, classes(c.code_point)};
}

// End of the run of characters of any of the wanted classes.
size_t RunOf(std::string_view text, size_t at, const CharClasses& classes, uint16_t wanted) {
  for (;;) {
    const Char c = Look(text, at, classes);
    if ((c.classes & wanted) == 0) return at;
    at += c.bytes;
  }
}

// End of the run of characters of none of the unwanted classes.
size_t RunOutside(std::string_view text, size_t at, const CharClasses& classes, uint16_t unwanted) {
  for (;;) {
    const Char c = Look(text, at, classes);
    if (c.bytes == 0 || (c.classes & unwanted) != 0) return at;
    at += c.bytes;
  }
}

// `'s|'t|'re|'ve|'m|'ll|'d`, where case doesn't matter if any_case; the long s folds to s.
size_t Contraction(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'' || at + 1 >= text.size()) return at;
  const auto letter = [&](size_t index) {
    const char c = index < text.size() ? text[index] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l')) return at + 3;
  if (any_case && text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
  return at;
}

// `\s+(?!\S)|\s+` at white space: all of a run at the end, else all but the last character, which goes to the next
// word.
size_t Spaces(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t end = RunOf(text, at, classes, kSpace);
  if (end == text.size()) return end;
  const size_t last = PreviousUtf8(text, end);
  return last > at ? last : end;
}

// `\s*[\r\n]+|\s+(?!\S)|\s+` at white space.
size_t LinesOrSpaces(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t end = RunOf(text, at, classes, kSpace);
  for (size_t back = end; back > at; --back) {
    if (text[back - 1] == '\n' || text[back - 1] == '\r') return back;
  }
  if (end == text.size()) return end;
  const size_t last = PreviousUtf8(text, end);
  return last > at ? last : end;
}

size_t Newlines(std::string_view text, size_t at, bool slash) {
  while (at < text.size() && (text[at] == '\n' || text[at] == '\r' || (slash && text[at] == '/'))) ++at;
  return at;
}

// GPT-2; SmolLM, StarCoder and others after their digits are split off.
size_t ScanGpt2(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t contraction = Contraction(text, at, false);
  if (contraction > at) return contraction;
  size_t word = at;
  Char c = Look(text, word, classes);
  if (c.code_point == ' ') {
    const Char next = Look(text, word + 1, classes);
    if (next.bytes != 0 && (next.classes & kSpace) == 0) {
      ++word;
      c = next;
    }
  }
  if (c.classes & kLetter) return RunOf(text, word, classes, kLetter);
  if (c.classes & kNumber) return RunOf(text, word, classes, kNumber);
  if (c.classes & kSpace) return Spaces(text, at, classes);
  return RunOutside(text, word, classes, kSpace | kLetter | kNumber);
}

size_t Digits(std::string_view text, size_t at, const CharClasses& classes, int most) {
  for (int count = 0; count < most; ++count) {
    const Char c = Look(text, at, classes);
    if ((c.classes & kNumber) == 0) break;
    at += c.bytes;
  }
  return at;
}

// Llama-3 (3 digits), Qwen2 (1 digit); kWordClasses are letters, or letters and marks for Qwen3.5.
template <int kDigits, uint16_t kWordClasses, bool kContractions>
size_t ScanLlama3(std::string_view text, size_t at, const CharClasses& classes) {
  if (kContractions) {
    const size_t contraction = Contraction(text, at, true);
    if (contraction > at) return contraction;
  }
  const Char c = Look(text, at, classes);
  if (c.classes & kWordClasses) return RunOf(text, at, classes, kWordClasses);
  const Char next = Look(text, at + c.bytes, classes);
  if ((c.classes & (kNewline | kNumber)) == 0 && (next.classes & kWordClasses) != 0) {
    return RunOf(text, at + c.bytes, classes, kWordClasses);
  }
  if (c.classes & kNumber) return Digits(text, at, classes, kDigits);
  constexpr uint16_t kNotSymbol = kSpace | kWordClasses | kNumber;
  const bool after_space = c.code_point == ' ' && next.bytes != 0 && (next.classes & kNotSymbol) == 0;
  if (after_space || (c.classes & kNotSymbol) == 0) {
    return Newlines(text, RunOutside(text, at + (after_space ? 1 : 0), classes, kNotSymbol), false);
  }
  return LinesOrSpaces(text, at, classes);
}

// `[Lu Lt Lm Lo M]*[Ll Lm Lo M]+` from `at`, or `at`.
size_t CapitalsThenSmall(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t capitals = RunOf(text, at, classes, kUpperish);
  const size_t small = RunOf(text, capitals, classes, kLowerish);
  if (small > capitals) return small;
  for (size_t end = capitals; end > at;) {
    const size_t begin = PreviousUtf8(text, end);
    if (Look(text, begin, classes).classes & kLowerish) return end;
    end = begin;
  }
  return at;
}

// `[Lu Lt Lm Lo M]+[Ll Lm Lo M]*` from `at`, or `at`.
size_t CapitalsMaybeSmall(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t capitals = RunOf(text, at, classes, kUpperish);
  return capitals > at ? RunOf(text, capitals, classes, kLowerish) : at;
}

// A word cut where case turns, with one character before it that is no letter, digit or newline.
size_t CasedWord(std::string_view text, size_t at, const CharClasses& classes) {
  const Char c = Look(text, at, classes);
  const size_t after = (c.classes & (kNewline | kLetter | kNumber)) == 0 ? at + c.bytes : at;
  for (const auto rule : {CapitalsThenSmall, CapitalsMaybeSmall}) {
    const size_t prefixed = rule(text, after, classes);
    if (prefixed > after) return prefixed;
    const size_t bare = rule(text, at, classes);
    if (bare > at) return bare;
  }
  return at;
}

// GPT-4o and Llama-4 (3 digits, contractions), Tekken (1 digit, none).
template <int kDigits, bool kContractions>
size_t ScanCased(std::string_view text, size_t at, const CharClasses& classes) {
  const size_t word = CasedWord(text, at, classes);
  if (word > at) return kContractions && word < text.size() ? Contraction(text, word, true) : word;
  const Char c = Look(text, at, classes);
  if (c.classes & kNumber) return Digits(text, at, classes, kDigits);
  constexpr uint16_t kNotSymbol = kSpace | kLetter | kNumber;
  const Char next = Look(text, at + c.bytes, classes);
  const bool after_space = c.code_point == ' ' && next.bytes != 0 && (next.classes & kNotSymbol) == 0;
  if (after_space || (c.classes & kNotSymbol) == 0) {
    return Newlines(text, RunOutside(text, at + (after_space ? 1 : 0), classes, kNotSymbol), true);
  }
  return LinesOrSpaces(text, at, classes);
}

// The third step of DeepSeek-V3; digits and Chinese, Japanese runs are split off before.
size_t ScanDeepSeek3(std::string_view text, size_t at, const CharClasses& classes) {
  const Char c = Look(text, at, classes);
  const Char next = Look(text, at + c.bytes, classes);
  const auto is_ascii_letter = [](uint32_t code_point) { return (code_point | 32) >= 'a' && (code_point | 32) <= 'z'; };
  if (IsAsciiPunctuation(c.code_point) && is_ascii_letter(next.code_point)) {
    size_t end = at + 1;
    while (end < text.size() && is_ascii_letter(static_cast<uint8_t>(text[end]))) ++end;
    return end;
  }
  constexpr uint16_t kWordClasses = kLetter | kMark;
  if (c.classes & kWordClasses) return RunOf(text, at, classes, kWordClasses);
  if ((c.classes & (kNewline | kPunctuation | kSymbol)) == 0 && (next.classes & kWordClasses) != 0) {
    return RunOf(text, at + c.bytes, classes, kWordClasses);
  }
  constexpr uint16_t kSigns = kPunctuation | kSymbol;
  const bool after_space = c.code_point == ' ' && (next.classes & kSigns) != 0;
  if (after_space || (c.classes & kSigns) != 0) {
    return Newlines(text, RunOf(text, at + (after_space ? 1 : 0), classes, kSigns), false);
  }
  return c.classes & kSpace ? LinesOrSpaces(text, at, classes) : at;
}

template <int kDigits>
size_t ScanDigits(std::string_view text, size_t at, const CharClasses& classes) {
  return Digits(text, at, classes, kDigits);
}

size_t ScanKanaAndHan(std::string_view text, size_t at, const CharClasses&) {
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (!(c.code_point >= 0x4E00 && c.code_point <= 0x9FA5) && !(c.code_point >= 0x3040 && c.code_point <= 0x30FF))
      break;
    at += c.bytes;
  }
  return at;
}

struct KnownPattern {
  std::string_view pattern;
  PatternScanner scan;
};

constexpr KnownPattern kKnownPatterns[] = {
    {kGpt2Pattern, ScanGpt2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanLlama3<3, kLetter, true>},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanLlama3<1, kLetter, true>},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "
     "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanLlama3<1, kLetter | kMark, true>},
    {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanLlama3<1, kLetter, false>},
    {"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'"
     "ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?["
     "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n/"
     "]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanCased<3, true>},
    {"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?["
     "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}"
     "\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ScanCased<1, false>},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|"
     "\\s+(?!\\S)|\\s+",
     ScanDeepSeek3},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|"
     "\\s+(?!\\S)|\\s+",
     ScanDeepSeek3},
    {"\\p{N}{1,3}", ScanDigits<3>},
    {"\\p{N}", ScanDigits<1>},
    {"[一-龥\u3040-ゟ゠-ヿ]+", ScanKanaAndHan},
};

}  // namespace

PatternScanner FindPatternScanner(std::string_view pattern) {
  for (const KnownPattern& known : kKnownPatterns) {
    if (known.pattern == pattern) return known.scan;
  }
  return nullptr;
}

}  // namespace octet
