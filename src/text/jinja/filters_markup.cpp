// Filters about HTML and layout: escaping, tags, URLs, wrapping (natives.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

Result<Value> ForceEscape(Evaluator& evaluator, const Value& subject, Bound&) {
  const Value value = OCTET_TRY(SoftString(evaluator, subject));
  const MarkedString& text = value.string().marked;
  OCTET_TRY(evaluator.budget().Allow(text.MemoryOf(1) + 4 * text.size()));
  OCTET_TRY(evaluator.budget().SpendSearch(text.size()));
  return MakeString(evaluator.budget(), EscapeHtml(text), /*markup=*/true);
}

Result<Value> Escape(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  if (subject.Is(Kind::kString) && subject.string().markup) return subject;
  return ForceEscape(evaluator, subject, arguments);
}

Result<Value> Safe(Evaluator& evaluator, const Value& subject, Bound&) {
  return MakeString(evaluator.budget(), OCTET_TRY(TextOf(evaluator.budget(), subject)), /*markup=*/true);
}

// Text without what stands from `open` to `close`; an unclosed one is kept.
MarkedString WithoutSpans(const MarkedString& text, std::string_view open, std::string_view close) {
  MarkedString out;
  out.ReserveAs(text);
  size_t kept = 0;
  for (size_t begin = FindPart(text.text(), open, 0); begin != std::string_view::npos;
       begin = FindPart(text.text(), open, kept)) {
    const size_t end = FindPart(text.text(), close, begin);
    if (end == std::string_view::npos) break;
    out.AppendSlice(text, kept, begin);
    kept = end + close.size();
  }
  out.AppendSlice(text, kept, text.size());
  return out;
}

// Runs of white space as one space, none at the ends.
MarkedString Collapse(const MarkedString& text) {
  MarkedString out;
  out.ReserveAs(text);
  bool pending = false, pending_trust = true;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (IsSpace(DecodeCharacter(text.text(), at))) {
      if (!pending) pending_trust = text.TrustedAt(begin);
      pending = true;
      continue;
    }
    if (pending && !out.empty()) out.Append(" ", pending_trust);
    pending = false;
    out.AppendSlice(text, begin, at);
  }
  return out;
}

Result<MarkedString> UnescapeEntities(Budget& budget, MarkedString text) {
  static constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&#39;", "'"}, {"&#34;", "\""}, {"&quot;", "\""}, {"&amp;", "&"}};
  for (const auto& [entity, character] : kEntities) {
    const MarkedString with(std::string(character), text.trusted());
    const Value before = MakeString(budget, std::move(text));  // counted while both are there
    text = OCTET_TRY(ReplaceText(budget, before.string().marked, entity, with, -1));
  }
  return text;
}

Result<Value> StripTags(Evaluator& evaluator, const Value& subject, Bound&) {
  Budget& budget = evaluator.budget();
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  OCTET_TRY(budget.Allow(2 * text.string().marked.MemoryOf(1)));
  OCTET_TRY(budget.SpendCharacters(text.string().marked.size()));
  MarkedString plain = WithoutSpans(text.string().marked, "<!--", "-->");
  plain = WithoutSpans(plain, "<", ">");
  plain = Collapse(plain);
  return MakeString(budget, OCTET_TRY(UnescapeEntities(budget, std::move(plain))));
}

// Percent-encoding of all but letters, digits, _ . - ~ and, in paths, the slash.
MarkedString QuoteUrl(const MarkedString& text, bool query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  MarkedString out;
  out.ReserveAs(text);
  for (size_t i = 0; i < text.size(); ++i) {
    const char byte = text.text()[i];
    const auto code = static_cast<unsigned char>(byte);
    const bool plain = (code < 0x80 && std::isalnum(code) != 0) || byte == '_' || byte == '.' || byte == '-' ||
                       byte == '~' || (byte == '/' && !query);
    if (plain) {
      out.AppendSlice(text, i, i + 1);
    } else if (byte == ' ' && query) {
      out.Append("+", text.TrustedAt(i));
    } else {
      const char escape[] = {'%', kHex[code >> 4], kHex[code & 15]};
      out.Append(std::string_view(escape, 3), text.TrustedAt(i));
    }
  }
  return out;
}

// Three bytes for one at most, which are there twice as they grow.
size_t QuotedMemory(const MarkedString& text) { return text.MemoryOf(1) + 3 * text.size(); }

Result<Value> UrlEncode(Evaluator& evaluator, const Value& subject, Bound&) {
  Budget& budget = evaluator.budget();
  if (!subject.Is(Kind::kDict) && !subject.Is(Kind::kSequence)) {
    const Value text = OCTET_TRY(SoftString(evaluator, subject));
    OCTET_TRY(budget.Allow(QuotedMemory(text.string().marked)));
    OCTET_TRY(budget.SpendCharacters(text.string().marked.size()));
    return MakeString(budget, QuoteUrl(text.string().marked, false));
  }
  MarkedString out;
  const auto add = [&](const Value& key, const Value& value) -> Status {
    if (!out.empty()) out.Append("&", true);
    const Value name = OCTET_TRY(SoftString(evaluator, key)), text = OCTET_TRY(SoftString(evaluator, value));
    const MarkedString &left = name.string().marked, &right = text.string().marked;
    OCTET_TRY(budget.AllowBehind(out.memory(), 2 * (QuotedMemory(left) + QuotedMemory(right))));
    OCTET_TRY(budget.SpendCharacters(left.size() + right.size()));
    out.Append(QuoteUrl(left, true));
    out.Append("=", true);
    out.Append(QuoteUrl(right, true));
    return budget.Spend(1);
  };
  if (subject.Is(Kind::kDict)) {
    for (const auto& [key, value] : subject.dict().entries) OCTET_TRY(add(key, value));
    return MakeString(budget, std::move(out));
  }
  for (const Value& pair : OCTET_TRY(Iterate(budget, subject))) {
    const std::vector<Value> parts = OCTET_TRY(Iterate(budget, pair));
    if (parts.size() != 2) return Refuse("urlencode takes pairs, got ", parts.size(), " values");
    OCTET_TRY(add(parts[0], parts[1]));
  }
  return MakeString(budget, std::move(out));
}

Result<Value> XmlAttr(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  if (subject.Is(Kind::kUndefined)) return RefuseUndefined(subject);
  if (!subject.Is(Kind::kDict)) return Refuse("'", TypeName(subject), "' object has no attribute 'items'");
  MarkedString out;
  for (const auto& [key, value] : subject.dict().entries) {
    if (value.Is(Kind::kNone) || value.Is(Kind::kUndefined)) continue;
    const std::string_view name = OCTET_TRY(StringArgument(key))->text();
    if (name.find_first_of(" \t\n\v\f\r/>=") != std::string_view::npos)
      return Refuse("Invalid character in attribute name: '", name, "'");
    const Value text = OCTET_TRY(SoftString(evaluator, value));
    const MarkedString &left = key.string().marked, &right = text.string().marked;
    const size_t escaped = left.MemoryOf(1) + right.MemoryOf(1) + 4 * (left.size() + right.size());
    OCTET_TRY(budget.AllowBehind(out.memory(), 2 * escaped));
    if (!out.empty() || BoolArgument(arguments[0], true)) out.Append(" ", true);
    out.Append(EscapeHtml(left));
    out.Append("=\"", true);
    out.Append(text.string().markup ? right : EscapeHtml(right));
    out.Append("\"", true);
  }
  return MakeString(budget, std::move(out));
}

Result<Value> PPrint(Evaluator& evaluator, const Value& subject, Bound&) {
  MarkedString out;
  OCTET_TRY(AppendRepr(evaluator.budget(), subject, out));
  if (out.size() > 80 && (subject.Is(Kind::kDict) || subject.Is(Kind::kSequence) || subject.Is(Kind::kString))) {
    return Fail(ErrorCode::kUnsupported,
                "pprint of a value that needs more than one line is not supported, use tojson(indent=2)");
  }
  return MakeString(evaluator.budget(), std::move(out));
}

// A piece of a line: a word, a part of one that ends in a hyphen, or white space.
struct Chunk {
  size_t begin, end, width;
  bool space;
};

// The chunks of a line, one at a time: all at once would take many times the memory of the text.
class Chunks {
 public:
  Chunks(std::string_view line, bool break_on_hyphens) : line_(line), break_on_hyphens_(break_on_hyphens) { Advance(); }

  bool empty() const { return front_.begin == line_.size(); }
  const Chunk& front() const { return front_; }
  void Advance();
  // Takes so many characters off the front.
  void Cut(size_t characters);

 private:
  std::string_view line_;
  bool break_on_hyphens_;
  Chunk front_{};
};

void Chunks::Advance() {
  size_t at = front_.end;
  front_ = {at, at, 0, at < line_.size() && (line_[at] == ' ' || line_[at] == '\t')};
  bool letter_before = false;
  while (at < line_.size() && (line_[at] == ' ' || line_[at] == '\t') == front_.space) {
    const char32_t character = DecodeCharacter(line_, at);
    ++front_.width;
    const bool breaks = break_on_hyphens_ && character == '-' && letter_before && at < line_.size() &&
                        IsAlpha(static_cast<unsigned char>(line_[at]));
    letter_before = IsAlpha(character);
    if (breaks) break;
  }
  front_.end = at;
}

void Chunks::Cut(size_t characters) {
  front_.begin += OffsetOfCharacter(line_.substr(front_.begin, front_.end - front_.begin), characters);
  front_.width -= characters;
  if (front_.width == 0) Advance();
}

// What goes into one line of the width, without white space at its end.
Part TakeLine(Chunks& chunks, std::string_view line, size_t width, bool break_long) {
  const size_t begin = chunks.front().begin;
  size_t end = begin, used = 0;
  while (!chunks.empty() && used + chunks.front().width <= width) {
    used += chunks.front().width;
    end = chunks.front().end;
    chunks.Advance();
  }
  if (!chunks.empty() && chunks.front().width > width && (break_long || used == 0)) {
    chunks.Cut(break_long ? width - used : chunks.front().width);
    end = chunks.front().begin;
  }
  while (end > begin && (line[end - 1] == ' ' || line[end - 1] == '\t')) --end;
  return {begin, end};
}

Result<Value> WordWrap(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const StringObject& text = *OCTET_TRY(StringArgument(subject));
  const Integer asked_width = OCTET_TRY(IntegerArgument(arguments[0], 79));
  const size_t width = OCTET_TRY(SizeArgument(budget, asked_width));
  if (width == 0) return Refuse("invalid width 0 (must be > 0)");
  const bool break_long = BoolArgument(arguments[1], true), on_hyphens = BoolArgument(arguments[3], true);
  const bool default_wrap = arguments[2].missing() || arguments[2].Is(Kind::kNone);
  const MarkedString newline("\n", true);
  const MarkedString& wrap = default_wrap ? newline : OCTET_TRY(StringArgument(arguments[2]))->marked;
  OCTET_TRY(budget.SpendCharacters(text.marked.size()));
  MarkedString out;
  bool first_line = true;
  size_t at = 0;
  while (const std::optional<Part> bytes = NextLine(text.marked, false, at)) {
    const std::string_view line = text.text().substr(bytes->begin, bytes->end - bytes->begin);
    Chunks chunks(line, on_hyphens);
    OCTET_TRY(budget.AllowBehind(out.memory(), wrap.memory()));
    if (chunks.empty() && !first_line) out.Append(wrap);
    first_line = first_line && !chunks.empty();
    for (bool first_of_paragraph = true; !chunks.empty();) {
      if (!first_of_paragraph && chunks.front().space) chunks.Advance();
      if (chunks.empty()) break;
      const Part taken = TakeLine(chunks, line, width, break_long);
      if (taken.begin == taken.end) continue;
      const size_t begin = bytes->begin + taken.begin, end = bytes->begin + taken.end;
      OCTET_TRY(budget.AllowBehind(out.memory(), wrap.memory() + text.marked.MemoryOfSlice(begin, end)));
      if (!out.empty() || !first_line) out.Append(wrap);
      first_line = first_of_paragraph = false;
      out.AppendSlice(text.marked, begin, end);
    }
  }
  return MakeString(budget, std::move(out));
}

// Refused where they are reached, not where they stand: a branch that isn't taken does no harm.
Result<Value> Random(Evaluator&, const Value&, Arguments&) {
  return Refuse("the filter 'random' is not supported, a prompt must be the same each time");
}

Result<Value> Urlize(Evaluator&, const Value&, Arguments&) {
  return Refuse("the filter 'urlize' is not supported, chat templates are not HTML");
}

constexpr Native kMarkupFilters[] = {
    {"e", "", Escape},
    {"escape", "", Escape},
    {"forceescape", "", ForceEscape},
    {"pprint", "", PPrint},
    {"random", "", nullptr, Random},
    {"safe", "", Safe},
    {"striptags", "", StripTags},
    {"urlencode", "", UrlEncode},
    {"urlize", "", nullptr, Urlize},
    {"wordwrap", "width? break_long_words? wrapstring? break_on_hyphens?", WordWrap},
    {"xmlattr", "autospace?", XmlAttr},
};

}  // namespace

std::span<const Native> MarkupFilters() { return kMarkupFilters; }

}  // namespace octet::jinja
