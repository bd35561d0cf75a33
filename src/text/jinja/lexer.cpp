#include "text/jinja/lexer.h"

#include <algorithm>
#include <cstdlib>

#include "text/jinja/characters.h"
#include "text/jinja/literals.h"

namespace octet::jinja {
namespace {

// \r\n and \r become \n, and one newline at the end is dropped, as jinja2 reads templates.
std::string NormalizeNewlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text.push_back(source[i]);
      continue;
    }
    text.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where) : source_(source), where_(where) {}

  Result<std::vector<Token>> Run();

 private:
  template <class... Parts>
  tl::unexpected<Error> Wrong(const Parts&... parts) const {
    return Fail(ErrorCode::kCorrupt, where_, ":", line_, ": ", parts...);
  }
  bool Sees(std::string_view text, size_t at) const { return source_.compare(at, text.size(), text) == 0; }
  void Advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    at_ = to;
  }
  size_t SkipSpace(size_t at) const;
  size_t FindTag() const;
  char SignAt(size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : 0;
  }
  void AddData(size_t end, char sign, bool strip_line);
  // Offset behind a raw block's opening or closing tag, or 0 where the text at `at` isn't one.
  size_t MatchRawTag(size_t at, std::string_view name, bool closing) const;
  size_t EndOfTag(size_t at, std::string_view closing, bool trim_newline) const;
  Status LexComment();
  Status LexRaw(size_t begin);
  Status LexTag(bool block);
  Status LexToken();
  Status LexOperator();
  Status LexString();
  Status LexNumber();

  std::string_view source_;
  std::string_view where_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<char> open_;
  std::vector<Token> tokens_;
};

size_t Lexer::SkipSpace(size_t at) const {
  while (at < source_.size()) {
    size_t next = at;
    if (!IsSpace(DecodeCharacter(source_, next))) break;
    at = next;
  }
  return at;
}

size_t Lexer::FindTag() const {
  for (size_t at = at_; at + 1 < source_.size(); ++at) {
    if (source_[at] == '{' && (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#')) return at;
  }
  return std::string_view::npos;
}

// Text from here to `end`, where a tag with the sign begins. lstrip_blocks removes what stands on the tag's line before
// it.
void Lexer::AddData(size_t end, char sign, bool strip_line) {
  std::string_view text = source_.substr(at_, end - at_);
  if (sign == '-') {
    size_t kept = 0;
    for (size_t at = 0; at < text.size();) {
      if (!IsSpace(DecodeCharacter(text, at))) kept = at;
    }
    text = text.substr(0, kept);
  } else if (sign != '+' && strip_line) {
    const size_t newline = text.rfind('\n');
    const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    bool blank = begin > 0 || line_starting_;
    for (size_t at = begin; blank && at < text.size();) blank = IsSpace(DecodeCharacter(text, at));
    if (blank) text = text.substr(0, begin);
  }
  if (!text.empty()) tokens_.push_back({TokenType::kData, line_, std::string(text), Value()});
  Advance(end);
}

size_t Lexer::EndOfTag(size_t at, std::string_view closing, bool trim_newline) const {
  if (Sees("+", at) && Sees(closing, at + 1) && closing != "}}") return at + 1 + closing.size();
  if (Sees("-", at) && Sees(closing, at + 1)) return SkipSpace(at + 1 + closing.size());
  if (!Sees(closing, at)) return 0;
  at += closing.size();
  return trim_newline && Sees("\n", at) ? at + 1 : at;
}

size_t Lexer::MatchRawTag(size_t at, std::string_view name, bool closing) const {
  if (!Sees("{%", at)) return 0;
  at += 2;
  if (SignAt(at) != 0) ++at;
  at = SkipSpace(at);
  if (!Sees(name, at)) return 0;
  at = SkipSpace(at + name.size());
  if (!closing && Sees("+", at)) return 0;
  return EndOfTag(at, "%}", closing);
}

Status Lexer::LexComment() {
  const size_t begin = at_ + 2 + (SignAt(at_ + 2) != 0 ? 1 : 0);
  const size_t end = source_.find("#}", begin);
  if (end == std::string_view::npos) return Wrong("Missing end of comment tag");
  const bool has_sign = end > begin && SignAt(end - 1) != 0;
  Advance(EndOfTag(has_sign ? end - 1 : end, "#}", true));
  line_starting_ = source_[at_ - 1] == '\n';
  return {};
}

Status Lexer::LexRaw(size_t begin) {
  Advance(begin);
  line_starting_ = source_[at_ - 1] == '\n';
  for (size_t tag = source_.find("{%", at_); tag != std::string_view::npos; tag = source_.find("{%", tag + 1)) {
    const size_t end = MatchRawTag(tag, "endraw", true);
    if (end == 0) continue;
    AddData(tag, SignAt(tag + 2), true);
    Advance(end);
    line_starting_ = source_[at_ - 1] == '\n';
    return {};
  }
  return Wrong("Missing end of raw directive");
}

Status Lexer::LexOperator() {
  static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
  for (const std::string_view symbol : kOperators) {
    if (!Sees(symbol, at_)) continue;
    const char first = symbol[0];
    if (first == '{' || first == '(' || first == '[') open_.push_back(first == '{' ? '}' : first == '(' ? ')' : ']');
    if (first == '}' || first == ')' || first == ']') {
      if (open_.empty()) return Wrong("unexpected '", first, "'");
      if (open_.back() != first) return Wrong("unexpected '", first, "', expected '", open_.back(), "'");
      open_.pop_back();
    }
    tokens_.push_back({TokenType::kOperator, line_, std::string(symbol), Value()});
    at_ += symbol.size();
    return {};
  }
  size_t end = at_;
  DecodeCharacter(source_, end);
  return Wrong("unexpected char '", source_.substr(at_, end - at_), "'");
}

Status Lexer::LexString() {
  const char quote = source_[at_];
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) return Wrong("unexpected char '", quote, "': the string does not end");
  std::string text;
  if (const char* problem = Unescape(source_.substr(at_ + 1, end - at_ - 1), text)) return Wrong(problem);
  tokens_.push_back({TokenType::kString, line_, std::move(text), Value()});
  Advance(end + 1);
  return {};
}

Status Lexer::LexNumber() {
  const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
  const NumberLiteral literal = ReadNumber(source_.substr(at_), /*float_allowed=*/!after_dot);
  if (literal.value.missing()) return Wrong("the integer ", source_.substr(at_, literal.size), " leaves 128 bits");
  tokens_.push_back({literal.value.Is(Kind::kFloat) ? TokenType::kFloat : TokenType::kInteger, line_,
                     std::string(source_.substr(at_, literal.size)), literal.value});
  at_ += literal.size;
  return {};
}

Status Lexer::LexToken() {
  size_t next = at_;
  const char32_t character = DecodeCharacter(source_, next);
  if (character >= '0' && character <= '9') return LexNumber();
  if (character == '"' || character == '\'') return LexString();
  if (!IsWord(character)) return LexOperator();
  if (!IsIdentifierStart(character)) return Wrong("Invalid character in identifier");
  while (next < source_.size()) {
    size_t after = next;
    if (!IsWord(DecodeCharacter(source_, after))) break;
    next = after;
  }
  tokens_.push_back({TokenType::kName, line_, std::string(source_.substr(at_, next - at_)), Value()});
  at_ = next;
  return {};
}

Status Lexer::LexTag(bool block) {
  tokens_.push_back({block ? TokenType::kBlockBegin : TokenType::kPrintBegin, line_, "", Value()});
  Advance(at_ + 2 + (SignAt(at_ + 2) != 0 ? 1 : 0));
  while (at_ < source_.size()) {
    if (open_.empty()) {
      if (const size_t end = EndOfTag(at_, block ? "%}" : "}}", block); end != 0) {
        tokens_.push_back({block ? TokenType::kBlockEnd : TokenType::kPrintEnd, line_, "", Value()});
        Advance(end);
        line_starting_ = source_[at_ - 1] == '\n';
        return {};
      }
    }
    if (const size_t after = SkipSpace(at_); after != at_) {
      Advance(after);
      continue;
    }
    OCTET_TRY(LexToken());
  }
  return {};  // the parser meets the end of the template and says what it looked for
}

Result<std::vector<Token>> Lexer::Run() {
  while (at_ < source_.size()) {
    const size_t tag = FindTag();
    if (tag == std::string_view::npos) {
      AddData(source_.size(), '+', false);
      break;
    }
    const char kind = source_[tag + 1];
    AddData(tag, SignAt(tag + 2), kind != '{');
    if (const size_t raw = MatchRawTag(at_, "raw", false); raw != 0) {
      OCTET_TRY(LexRaw(raw));
    } else if (kind == '#') {
      OCTET_TRY(LexComment());
    } else {
      OCTET_TRY(LexTag(kind == '%'));
    }
  }
  tokens_.push_back({TokenType::kEnd, line_, "", Value()});
  return std::move(tokens_);
}

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source, std::string_view where) {
  if (!IsUtf8(source)) return Fail(ErrorCode::kCorrupt, where, ": the template is not UTF-8");
  const std::string text = NormalizeNewlines(source);
  return Lexer(text, where).Run();
}

}  // namespace octet::jinja
