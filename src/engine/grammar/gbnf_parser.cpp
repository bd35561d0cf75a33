#include "engine/grammar/gbnf_parser.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/grammar/regex_characters.h"
#include "text/utf8.h"

namespace octet::grammar {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfParser {
 public:
  GbnfParser(std::string_view text, Grammar& grammar, const GrammarLimits& limits)
      : text_{text}, grammar_(grammar), limits_(limits) {}

  Status Parse();

 private:
  struct Rule {
    RuleId id = 0;
    bool defined = false;
    size_t used_at = 0;  // the first place
  };
  struct Group {
    std::vector<NodeId> alternatives;
    std::vector<NodeId> items;
    bool repeatable = false;  // the last item may be repeated
  };

  // An error in the line where `at` is.
  template <class... Parts>
  tl::unexpected<Error> Wrong(size_t at, const Parts&... parts) const {
    const auto begin = text_.text.begin();
    const auto line = 1 + std::count(begin, begin + static_cast<std::ptrdiff_t>(std::min(at, text_.text.size())), '\n');
    return Fail(ErrorCode::kInvalidArgument, "line ", line, " of the grammar: ", parts...);
  }

  void SkipSpace(bool over_lines);
  bool LineGoesOn();
  Result<std::string> TakeName();
  Rule& RuleOf(const std::string& name, size_t at);
  Status ParseRule();
  Result<NodeId> ParseAlternatives();
  Status ParseItem(std::vector<Group>& open);
  Status ParseQuantifier(Group& group);
  Result<uint32_t> TakeCount();
  Result<uint32_t> TakeOne(std::string_view what, size_t begin);
  Result<NodeId> ParseText();
  Result<NodeId> ParseClass();
  NodeId Close(std::vector<Group>& open);
  void Add(Group& group, NodeId node) {
    group.items.push_back(node);
    group.repeatable = true;
  }

  PatternText text_;
  Grammar& grammar_;
  const GrammarLimits& limits_;
  std::map<std::string, Rule> rules_;
};

void GbnfParser::SkipSpace(bool over_lines) {
  while (!text_.AtEnd()) {
    const char c = text_.Peek();
    if (c == '#') {
      text_.at = std::min(text_.text.find('\n', text_.at), text_.text.size());
    } else if (c == ' ' || c == '\t' || c == '\r' || (over_lines && c == '\n')) {
      ++text_.at;
    } else {
      return;
    }
  }
}

// At the end of a line: whether the next one with something on it begins with |, up to which it is read then.
bool GbnfParser::LineGoesOn() {
  const PatternText before = text_;
  SkipSpace(/*over_lines=*/true);
  if (text_.Peek() == '|') return true;
  text_ = before;
  return false;
}

Result<std::string> GbnfParser::TakeName() {
  const size_t begin = text_.at;
  while (IsNameCharacter(text_.Peek())) ++text_.at;
  if (text_.at == begin) return Wrong(begin, "a rule's name is expected");
  return std::string(text_.text.substr(begin, text_.at - begin));
}

GbnfParser::Rule& GbnfParser::RuleOf(const std::string& name, size_t at) {
  const auto [place, is_new] = rules_.try_emplace(name);
  if (is_new) place->second = {grammar_.AddRule(name), false, at};
  return place->second;
}

Status GbnfParser::Parse() {
  RuleOf("root", 0);
  for (SkipSpace(true); !text_.AtEnd(); SkipSpace(true)) OCTET_TRY(ParseRule());
  for (const auto& [name, rule] : rules_) {
    if (rule.defined) continue;
    if (name == "root")
      return Fail(ErrorCode::kInvalidArgument, "the grammar has no rule `root`, with which it begins");
    return Wrong(rule.used_at, "there is no rule `", name, "`");
  }
  return {};
}

Status GbnfParser::ParseRule() {
  const size_t begin = text_.at;
  const std::string name = OCTET_TRY(TakeName());
  SkipSpace(false);
  if (!text_.Take("::=")) return Wrong(text_.at, "::= is expected behind `", name, "`");
  Rule& rule = RuleOf(name, begin);
  if (rule.defined) return Wrong(begin, "rule `", name, "` is there twice");
  rule.defined = true;
  const RuleId id = rule.id;
  grammar_.SetRule(id, OCTET_TRY(ParseAlternatives()));
  return {};
}

NodeId GbnfParser::Close(std::vector<Group>& open) {
  Group group = std::move(open.back());
  open.pop_back();
  group.alternatives.push_back(grammar_.Sequence(group.items));
  return grammar_.Choice(group.alternatives);
}

Result<NodeId> GbnfParser::ParseAlternatives() {
  std::vector<Group> open(1);
  SkipSpace(/*over_lines=*/true);
  while (true) {
    const bool nested = open.size() > 1;
    SkipSpace(nested);
    const char c = text_.Peek();
    if (text_.AtEnd() || (c == '\n' && !LineGoesOn())) {
      if (nested) return Wrong(text_.at, "a parenthesis is not closed");
      return Close(open);
    }
    if (text_.Take("|")) {
      const NodeId alternative = grammar_.Sequence(open.back().items);
      open.back().alternatives.push_back(alternative);
      open.back().items.clear();
      open.back().repeatable = false;
      SkipSpace(/*over_lines=*/true);
      continue;
    }
    OCTET_TRY(ParseItem(open));
    if (grammar_.node_count() > limits_.nodes)
      return Wrong(text_.at, "the grammar has over ", limits_.nodes, " parts, which is the limit");
  }
}

Status GbnfParser::ParseItem(std::vector<Group>& open) {
  const size_t begin = text_.at;
  if (text_.Take("(")) {
    if (open.size() > limits_.nesting)
      return Wrong(begin, "parentheses are ", open.size(), " deep, the limit is ", limits_.nesting);
    open.emplace_back();
    return {};
  }
  if (text_.Take(")")) {
    if (open.size() == 1) return Wrong(begin, "a parenthesis is closed that wasn't opened");
    const NodeId group = Close(open);
    Add(open.back(), group);
    return {};
  }
  Group& group = open.back();
  if (text_.Take("\"")) {
    Add(group, OCTET_TRY(ParseText()));
  } else if (text_.Take("[")) {
    Add(group, OCTET_TRY(ParseClass()));
  } else if (text_.Take(".")) {
    Add(group, grammar_.Set(CodePointSet::All()));
  } else if (IsNameCharacter(text_.Peek())) {
    const std::string name = OCTET_TRY(TakeName());
    Add(group, grammar_.Call(RuleOf(name, begin).id));
  } else {
    return ParseQuantifier(group);
  }
  return {};
}

Result<uint32_t> GbnfParser::TakeCount() {
  const std::optional<uint32_t> count = TakeNumber(text_);
  if (!count) return Wrong(text_.at, "a number is expected in braces");
  return *count;
}

Status GbnfParser::ParseQuantifier(Group& group) {
  const size_t begin = text_.at;
  uint32_t min = 0, max = kUnlimited;
  if (text_.Take("+")) {
    min = 1;
  } else if (text_.Take("?")) {
    max = 1;
  } else if (text_.Take("{")) {
    min = max = OCTET_TRY(TakeCount());
    if (text_.Take(",")) max = text_.Peek() == '}' ? kUnlimited : OCTET_TRY(TakeCount());
    if (!text_.Take("}")) return Wrong(begin, "braces are not closed");
    if (min > max) return Wrong(begin, "{", min, ",", max, "} goes down");
  } else if (!text_.Take("*")) {
    return Wrong(begin, "`", text_.text.substr(begin, Utf8Length(text_.Peek())), "` is not expected here");
  }
  if (!group.repeatable) return Wrong(begin, "there is nothing to repeat");
  group.items.back() = grammar_.Repeat(group.items.back(), min, max);
  return {};
}

// A character or an escape.
Result<uint32_t> GbnfParser::TakeOne(std::string_view what, size_t begin) {
  if (text_.AtEnd() || text_.Peek() == '\n') return Wrong(begin, what, " is not closed in its line");
  if (!text_.Take("\\")) return TakeCharacter(text_);
  if (text_.AtEnd()) return Wrong(begin, what, " ends in a single backslash");
  const char c = text_.text[text_.at++];
  constexpr std::pair<char, uint32_t> kEscapes[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'\\', '\\'}, {'"', '"'},
                                                    {'[', '['},  {']', ']'},  {'-', '-'},  {'^', '^'}};
  for (const auto& [letter, character] : kEscapes) {
    if (c == letter) return character;
  }
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  const std::optional<uint32_t> value = digits > 0 ? TakeHex(text_, digits) : std::nullopt;
  if (!value || *value > kLastCodePoint || (*value >= 0xD800 && *value <= 0xDFFF))
    return Wrong(
        begin, what,
        " has an escape that names no character; \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH are known");
  return *value;
}

Result<NodeId> GbnfParser::ParseText() {
  const size_t begin = text_.at - 1;
  std::string text;
  while (!text_.Take("\"")) AppendUtf8(OCTET_TRY(TakeOne("a text", begin)), text);
  return grammar_.Literal(text);
}

Result<NodeId> GbnfParser::ParseClass() {
  const size_t begin = text_.at - 1;
  const bool negated = text_.Take("^");
  std::vector<CodePointRange> ranges;
  while (!text_.Take("]")) {
    const uint32_t low = OCTET_TRY(TakeOne("a class", begin));
    uint32_t high = low;
    const bool is_range = text_.Peek() == '-' && !text_.text.substr(text_.at).starts_with("-]");
    if (is_range && text_.Take("-")) high = OCTET_TRY(TakeOne("a class", begin));
    if (low > high) return Wrong(begin, "a class has a range that goes down");
    ranges.push_back({low, high});
  }
  const CodePointSet set(std::move(ranges));
  return grammar_.Set(negated ? set.Complement() : set);
}

}  // namespace

Status AddGbnf(std::string_view text, Grammar& grammar, const GrammarLimits& limits) {
  if (text.size() > limits.source_bytes)
    return Fail(ErrorCode::kInvalidArgument, "the grammar has ", text.size(), " bytes, the limit is ",
                limits.source_bytes);
  if (!IsValidUtf8(text)) return Fail(ErrorCode::kInvalidArgument, "the grammar is not UTF-8");
  return GbnfParser(text, grammar, limits).Parse();
}

}  // namespace octet::grammar
