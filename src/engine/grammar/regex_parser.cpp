#include "engine/grammar/regex_parser.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/grammar/place_anchors.h"
#include "engine/grammar/regex_characters.h"
#include "text/utf8.h"

namespace octet::grammar {
namespace {

struct Quantifier {
  uint32_t min = 0;
  uint32_t max = 0;
};

class RegexParser {
 public:
  RegexParser(std::string_view text, Grammar& grammar, const RegexOptions& options)
      : pattern_{text}, grammar_(grammar), options_(options) {}

  Result<NodeId> Parse();

 private:
  // An open group: its alternatives so far, and the items of the one that is being read.
  struct Group {
    std::vector<NodeId> alternatives;
    std::vector<NodeId> items;
    size_t begin = 0;
    bool quantifiable = false;  // the last item may be repeated
  };

  Group& top() { return open_.back(); }
  void AddItem(NodeId node, bool quantifiable = true) {
    top().items.push_back(node);
    top().quantifiable = quantifiable;
  }
  NodeId Spell(const CodePointSet& set) { return options_.spell ? options_.spell(grammar_, set) : grammar_.Set(set); }
  NodeId CloseGroup();
  Status Step();
  Status OpenGroup();
  void NextAlternative();
  Status Repeat(Quantifier quantifier, size_t begin);
  // Absent where what stands here is no quantifier in braces but text.
  Result<std::optional<Quantifier>> TakeBraces();

  PatternText pattern_;
  Grammar& grammar_;
  const RegexOptions& options_;
  std::vector<Group> open_;
};

NodeId RegexParser::CloseGroup() {
  Group group = std::move(open_.back());
  open_.pop_back();
  group.alternatives.push_back(grammar_.Sequence(group.items));
  return grammar_.Choice(group.alternatives);
}

Result<NodeId> RegexParser::Parse() {
  open_.emplace_back();
  while (!pattern_.AtEnd()) {
    OCTET_TRY(Step());
    if (grammar_.node_count() > options_.limits.nodes) {
      return Fail(ErrorCode::kInvalidArgument, "the pattern has over ", options_.limits.nodes, " parts at byte ",
                  pattern_.at, ", the limit is ", options_.limits.nodes);
    }
  }
  if (open_.size() > 1)
    return Fail(ErrorCode::kInvalidArgument, "the pattern's group at byte ", top().begin, " has no end");
  return CloseGroup();
}

Status RegexParser::Step() {
  const size_t begin = pattern_.at;
  const uint32_t c = TakeCharacter(pattern_);
  switch (c) {
    case '(':
      return OpenGroup();
    case ')': {
      if (open_.size() == 1)
        return Fail(ErrorCode::kInvalidArgument, "the pattern's ) at byte ", begin, " closes no group");
      const NodeId group = CloseGroup();
      AddItem(group);
      return {};
    }
    case '|':
      NextAlternative();
      return {};
    case '^':
    case '$':
      AddItem(grammar_.Anchor(c == '^'), false);
      return {};
    case '.':
      AddItem(Spell(LineEndSet().Complement()));
      return {};
    case '[':
      AddItem(Spell(OCTET_TRY(TakeClass(pattern_))));
      return {};
    case '\\':
      AddItem(Spell(OCTET_TRY(TakeEscape(pattern_, /*in_class=*/false))));
      return {};
    case '*':
      return Repeat({0, kUnlimited}, begin);
    case '+':
      return Repeat({1, kUnlimited}, begin);
    case '?':
      return Repeat({0, 1}, begin);
    case '{': {
      const std::optional<Quantifier> quantifier = OCTET_TRY(TakeBraces());
      if (quantifier) return Repeat(*quantifier, begin);
      break;
    }
    default:
      break;
  }
  AddItem(Spell({{c, c}}));
  return {};
}

void RegexParser::NextAlternative() {
  const NodeId alternative = grammar_.Sequence(top().items);
  top().alternatives.push_back(alternative);
  top().items.clear();
  top().quantifiable = false;
}

Status RegexParser::OpenGroup() {
  const size_t begin = pattern_.at - 1;
  if (pattern_.Take("?") && !pattern_.Take(":")) {
    const bool named = pattern_.Take("P<") || pattern_.Take("<");
    if (!named || pattern_.Peek() == '=' || pattern_.Peek() == '!') {
      return Fail(ErrorCode::kUnsupported, "the pattern's group at byte ", begin,
                  " is a look-around, a flag or a back reference; (...), (?:...) and (?<name>...) are supported");
    }
    const size_t end = pattern_.text.find('>', pattern_.at);
    if (end == std::string_view::npos)
      return Fail(ErrorCode::kInvalidArgument, "the pattern's group at byte ", begin, " has a name without end");
    pattern_.at = end + 1;
  }
  if (open_.size() > options_.limits.nesting) {
    return Fail(ErrorCode::kInvalidArgument, "the pattern's groups are ", open_.size(), " deep at byte ", begin,
                ", the limit is ", options_.limits.nesting);
  }
  open_.emplace_back();
  top().begin = begin;
  return {};
}

Result<std::optional<Quantifier>> RegexParser::TakeBraces() {
  const PatternText before = pattern_;
  const std::optional<uint32_t> low = TakeNumber(pattern_);
  // {,3} counts for Python and is text for JavaScript.
  if (!low && pattern_.Peek() == ',')
    return Fail(ErrorCode::kUnsupported, "the pattern's {, at byte ", before.at - 1,
                " means different things to different readers; write {0, or \\{,");
  std::optional<uint32_t> high = low;
  if (low && pattern_.Take(",")) {
    high = TakeNumber(pattern_);
    if (!high) high = kUnlimited;
  }
  if (!low || !pattern_.Take("}")) {
    pattern_ = before;
    return std::nullopt;
  }
  if (*low > *high)
    return Fail(ErrorCode::kInvalidArgument, "the pattern's {", *low, ",", *high, "} at byte ", before.at - 1,
                " goes down");
  return Quantifier{*low, *high};
}

Status RegexParser::Repeat(Quantifier quantifier, size_t begin) {
  if (!top().quantifiable)
    return Fail(ErrorCode::kInvalidArgument, "the pattern's quantifier at byte ", begin, " has nothing to repeat");
  if (pattern_.Peek() == '+')
    return Fail(ErrorCode::kUnsupported, "the pattern's possessive quantifier at byte ", begin, " is not supported");
  pattern_.Take("?");  // as few as possible: the same texts match
  top().items.back() = grammar_.Repeat(top().items.back(), quantifier.min, quantifier.max);
  top().quantifiable = false;
  return {};
}

}  // namespace

Result<NodeId> ParseRegex(std::string_view pattern, Grammar& grammar, const RegexOptions& options) {
  if (pattern.size() > options.limits.source_bytes) {
    return Fail(ErrorCode::kInvalidArgument, "the pattern has ", pattern.size(), " bytes, the limit is ",
                options.limits.source_bytes);
  }
  if (!IsValidUtf8(pattern)) return Fail(ErrorCode::kInvalidArgument, "the pattern is not UTF-8");
  const auto first = static_cast<NodeId>(grammar.node_count());
  const NodeId root = OCTET_TRY(RegexParser(pattern, grammar, options).Parse());
  NodeId any = 0;
  if (!options.whole) {
    const NodeId character =
        options.spell ? options.spell(grammar, CodePointSet::All()) : grammar.Set(CodePointSet::All());
    any = grammar.Repeat(character, 0, kUnlimited);
  }
  return PlaceAnchors(grammar, first, root, options.whole ? std::nullopt : std::optional(any));
}

}  // namespace octet::grammar
