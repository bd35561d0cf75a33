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
  const MarkedString text = OCTET_TRY(TextOf(evaluator.budget(), subject));
  OCTET_TRY(evaluator.budget().Allow(text.size() * 5));
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
    text = OCTET_TRY(ReplaceText(budget, text, entity, MarkedString(std::string(character), text.trusted()), -1));
  }
  return text;
}

Result<Value> StripTags(Evaluator& evaluator, const Value& subject, Bound&) {
  Budget& budget = evaluator.budget();
  const MarkedString text = OCTET_TRY(TextOf(budget, subject));
  OCTET_TRY(budget.Allow(text.size() * 4));
  const MarkedString plain = Collapse(WithoutSpans(WithoutSpans(text, "<!--", "-->"), "<", ">"));
  return MakeString(budget, OCTET_TRY(UnescapeEntities(budget, plain)));
}

// Percent-encoding of all but letters, digits, _ . - ~ and, in paths, the slash.
MarkedString QuoteUrl(const MarkedString& text, bool query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  MarkedString out;
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

Result<Value> UrlEncode(Evaluator& evaluator, const Value& subject, Bound&) {
  Budget& budget = evaluator.budget();
  if (!subject.Is(Kind::kDict) && !subject.Is(Kind::kSequence)) {
    const MarkedString text = OCTET_TRY(TextOf(budget, subject));
    OCTET_TRY(budget.Allow(text.size() * 3));
    return MakeString(budget, QuoteUrl(text, false));
  }
  MarkedString out;
  const auto add = [&](const Value& key, const Value& value) -> Status {
    if (!out.empty()) out.Append("&", true);
    const MarkedString name = OCTET_TRY(TextOf(budget, key)), text = OCTET_TRY(TextOf(budget, value));
    OCTET_TRY(budget.AllowBehind(out.memory(), (name.size() + text.size()) * 3));
    out.Append(QuoteUrl(name, true));
    out.Append("=", true);
    out.Append(QuoteUrl(text, true));
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
    if (!out.empty() || BoolArgument(arguments[0], true)) out.Append(" ", true);
    out.Append(EscapeHtml(key.string().marked));
    out.Append("=\"", true);
    const bool markup = value.Is(Kind::kString) && value.string().markup;
    const MarkedString text = OCTET_TRY(TextOf(budget, value));
    OCTET_TRY(budget.AllowBehind(out.memory(), text.size() * 5));
    out.Append(markup ? text : EscapeHtml(text));
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

std::vector<Chunk> ChunksOf(const MarkedString& line, bool break_on_hyphens) {
  std::vector<Chunk> chunks;
  const std::string_view text = line.text();
  for (size_t at = 0; at < text.size();) {
    Chunk chunk{at, at, 0, text[at] == ' ' || text[at] == '\t'};
    bool letter_before = false;
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t') == chunk.space) {
      const char32_t character = DecodeCharacter(text, at);
      ++chunk.width;
      const bool breaks = break_on_hyphens && character == '-' && letter_before && at < text.size() &&
                          IsAlpha(static_cast<unsigned char>(text[at]));
      letter_before = IsAlpha(character);
      if (breaks) break;
    }
    chunk.end = at;
    chunks.push_back(chunk);
  }
  return chunks;
}

Result<Value> WordWrap(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const StringObject& text = *OCTET_TRY(StringArgument(subject));
  const Integer asked_width = OCTET_TRY(IntegerArgument(arguments[0], 79));
  const size_t width = OCTET_TRY(SizeArgument(budget, asked_width));
  if (width == 0) return Refuse("invalid width 0 (must be > 0)");
  const bool break_long = BoolArgument(arguments[1], true), on_hyphens = BoolArgument(arguments[3], true);
  const bool default_wrap = arguments[2].missing() || arguments[2].Is(Kind::kNone);
  const MarkedString wrap = default_wrap ? MarkedString("\n", true) : OCTET_TRY(StringArgument(arguments[2]))->marked;
  OCTET_TRY(budget.Allow(text.marked.size() * (sizeof(Chunk) + 1 + wrap.size())));
  MarkedString out;
  bool first_line = true;
  size_t at = 0;
  while (const std::optional<Part> bytes = NextLine(text.marked, false, at)) {
    const MarkedString line = text.marked.Slice(bytes->begin, bytes->end);
    std::vector<Chunk> chunks = ChunksOf(line, on_hyphens);
    std::reverse(chunks.begin(), chunks.end());
    bool first_of_paragraph = true;
    if (chunks.empty() && !first_line) out.Append(wrap);
    first_line = first_line && !chunks.empty();
    while (!chunks.empty()) {
      if (!first_of_paragraph && chunks.back().space) chunks.pop_back();
      if (chunks.empty()) break;
      const size_t begin = chunks.back().begin;
      size_t end = begin, used = 0;
      while (!chunks.empty() && used + chunks.back().width <= width) {
        used += chunks.back().width;
        end = chunks.back().end;
        chunks.pop_back();
      }
      if (!chunks.empty() && chunks.back().width > width && (break_long || used == 0)) {
        Chunk& chunk = chunks.back();
        const size_t fits = break_long ? width - used : chunk.width;
        end = chunk.begin + OffsetOfCharacter(line.text().substr(chunk.begin, chunk.end - chunk.begin), fits);
        chunk.begin = end;
        chunk.width -= fits;
        if (chunk.width == 0) chunks.pop_back();
      }
      while (end > begin && (line.text()[end - 1] == ' ' || line.text()[end - 1] == '\t')) --end;
      if (end == begin) continue;
      if (!out.empty() || !first_line) out.Append(wrap);
      first_line = first_of_paragraph = false;
      out.AppendSlice(line, begin, end);
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
