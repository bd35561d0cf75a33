#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "text/utf8.h"

namespace octet {
namespace {

// White_Space of Unicode; PCRE2's own \s has U+180E besides.
constexpr std::string_view kSpaceRanges =
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
constexpr std::string_view kNotSpaceRanges =
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}"
    "-\\x{202e}"
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
// Alphabetic, marks, decimal digits and connectors; circled letters are the symbols among the alphabetic,
// and Oniguruma counts Latin-1's raised digits and fractions, outside of brackets.
constexpr std::string_view kWordRanges =
    "\\p{L}\\p{M}\\p{Nl}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{"
    "1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}";

std::string_view ClassRanges(char letter) {
  switch (letter) {
    case 's':
      return kSpaceRanges;
    case 'S':
      return kNotSpaceRanges;
    case 'd':
      return "\\p{Nd}";
    case 'D':
      return "\\P{Nd}";
    case 'w':
      return kWordRanges;
    case 'h':
      return "0-9A-Fa-f";
    default:
      return {};
  }
}

// Members of [:name:] as Oniguruma has them in Unicode; `^name` for what is outside. Empty where there is no such name,
// or where its outside is no list of properties.
std::string_view PosixRanges(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kClasses[] = {
      {"alnum", "\\p{Alphabetic}\\p{Nd}"},
      {"alpha", "\\p{Alphabetic}"},
      {"^alpha", "\\P{Alphabetic}"},
      {"ascii", "\\x00-\\x7f"},
      {"^ascii", "\\x{80}-\\x{10ffff}"},
      {"blank", "\\p{Zs}\\x09"},
      {"cntrl", "\\p{Cc}"},
      {"^cntrl", "\\P{Cc}"},
      {"digit", "\\p{Nd}"},
      {"^digit", "\\P{Nd}"},
      {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
      {"lower", "\\p{Lowercase}"},
      {"^lower", "\\P{Lowercase}"},
      {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
      {"punct", "\\p{P}\\p{S}"},
      {"space", kSpaceRanges},
      {"^space", kNotSpaceRanges},
      {"upper", "\\p{Uppercase}"},
      {"^upper", "\\P{Uppercase}"},
      {"word", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"},
      {"xdigit", "0-9A-Fa-f"}};
  for (const auto& [known, ranges] : kClasses) {
    if (known == name) return ranges;
  }
  return {};
}

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

std::string TranslatePattern(std::string_view oniguruma) {
  std::string out;
  bool inside = false;  // of a character class
  for (size_t at = 0; at < oniguruma.size(); ++at) {
    const char c = oniguruma[at];
    if (c == '\\' && at + 1 < oniguruma.size()) {
      const char letter = oniguruma[++at];
      // Oniguruma counts Latin-1's raised digits and fractions only where \w stands alone.
      const std::string_view ranges = inside && letter == 'w' ? PosixRanges("word") : ClassRanges(letter);
      if (!ranges.empty()) {
        out += inside ? std::string(ranges) : Cat("[", ranges, "]");
      } else if (letter == 'W' && !inside) {
        out += Cat("[^", kWordRanges, "]");
      } else if ((letter == 'b' || letter == 'B') && !inside) {
        // PCRE2's own boundary has a narrower idea of a word.
        const std::string word = Cat("[", kWordRanges, "]");
        out += letter == 'b' ? Cat("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))")
                             : Cat("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))");
      } else {
        out += c;
        out += letter;
      }
      continue;
    }
    if (inside && oniguruma.substr(at).starts_with("[:")) {
      const size_t end = oniguruma.find(":]", at + 2);
      const std::string_view ranges =
          end == std::string_view::npos ? std::string_view() : PosixRanges(oniguruma.substr(at + 2, end - at - 2));
      if (!ranges.empty()) {
        out += ranges;
        at = end + 1;
        continue;
      }
    }
    if (inside && c == '[' && (at + 1 >= oniguruma.size() || oniguruma[at + 1] != ':')) out += '\\';
    if (!inside && c == '[')
      inside = true;
    else if (inside && c == ']')
      inside = false;
    out += c;
  }
  return out;
}

std::string EscapePattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}-#&~ ").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

Result<Regex> Regex::Compile(std::string_view pattern, std::string_view where) {
  if (pattern.find("&&") != std::string_view::npos) {
    return Fail(ErrorCode::kUnsupported, where, ": pattern `", pattern, "` intersects character classes (&&)");
  }
  const std::string translated = TranslatePattern(pattern);
  // PCRE2 would read what is left of these its own way.
  if (const size_t at = translated.find("[:"); at != std::string::npos && translated.find(":]", at) < at + 10) {
    return Fail(ErrorCode::kUnsupported, where, ": pattern `", pattern, "`: the class `",
                translated.substr(at, translated.find(":]", at) + 2 - at), "` is unknown to this build");
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof(message));
    return Fail(ErrorCode::kUnsupported, where, ": pattern `", pattern, "`: ", reinterpret_cast<const char*>(message));
  }
  // Where the system forbids executable memory the interpreter does the same, slower.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  Regex regex;
  regex.code_ = std::shared_ptr<const pcre2_code>(code, CodeFree{});
  return regex;
}

void Regex::ForEachMatch(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const {
  const std::unique_ptr<pcre2_match_data, MatchDataFree> data(pcre2_match_data_create(1, nullptr));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t at = 0, last_end = SIZE_MAX;
  while (at <= text.size()) {
    int matched = pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), nullptr);
    if (matched == PCRE2_ERROR_JIT_STACKLIMIT) {
      matched =
          pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data.get(), nullptr);
    }
    if (matched < 0) return;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
    const size_t begin = range[0], end = range[1];
    if (begin == end && begin == last_end) {
      // An empty match right behind a match is none; look one character on.
      at = begin < text.size() ? begin + Utf8Length(text[begin]) : begin + 1;
      last_end = SIZE_MAX;
      continue;
    }
    found(begin, end);
    last_end = end;
    at = end;
  }
}

}  // namespace octet
