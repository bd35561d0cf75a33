// Filters that yield text (natives.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/format.h"
#include "text/jinja/json_output.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

using Transform = MarkedString (*)(const MarkedString&);

template <Transform transform>
Result<Value> Apply(Evaluator& evaluator, const Value& subject, Bound&) {
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  OCTET_TRY(AllowMapped(evaluator.budget(), text.string()));
  return MakeString(evaluator.budget(), transform(text.string().marked), text.string().markup);
}

// Words begin at the text's start and behind - ( { [ < and white space.
MarkedString TitleWords(const MarkedString& text) {
  MarkedString titled;
  titled.ReserveAs(text);
  bool at_start = true;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text.text(), at);
    const bool separator = IsSpace(character) || character == '-' || character == '(' || character == '{' ||
                           character == '[' || character == '<';
    titled.Append(at_start && !separator ? UpperOf(character) : LowerOf(character), text.TrustedAt(begin));
    at_start = separator;
  }
  return titled;
}

Result<Value> String(Evaluator& evaluator, const Value& subject, Bound&) { return SoftString(evaluator, subject); }

Result<Value> Trim(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  std::optional<std::string_view> set;
  if (!arguments[0].missing() && !arguments[0].Is(Kind::kNone)) set = OCTET_TRY(StringArgument(arguments[0]))->text();
  return MakeString(evaluator.budget(),
                    OCTET_TRY(StripText(evaluator.budget(), text.string().marked, set, Side::kBoth)),
                    text.string().markup);
}

Result<Value> Replace(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  const Value old = OCTET_TRY(SoftString(evaluator, arguments[0]));
  const Value with = OCTET_TRY(SoftString(evaluator, arguments[1]));
  const Integer count = arguments[2].Is(Kind::kNone) ? -1 : OCTET_TRY(IntegerArgument(arguments[2], -1));
  return MakeString(evaluator.budget(), OCTET_TRY(ReplaceText(evaluator.budget(), text.string().marked,
                                                              old.string().text(), with.string().marked, count)));
}

Result<Value> Center(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  const Integer width = OCTET_TRY(IntegerArgument(arguments[0], 80));
  const StringObject& string = text.string();
  return MakeString(
      evaluator.budget(),
      OCTET_TRY(CenterText(evaluator.budget(), string.marked, string.characters, width, " ", string.marked.trusted())),
      string.markup);
}

Result<Value> Indent(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const StringObject& text = *OCTET_TRY(StringArgument(subject));
  MarkedString spaces;
  if (!arguments[0].Is(Kind::kString)) {
    const Integer width = OCTET_TRY(IntegerArgument(arguments[0], 4));
    spaces = OCTET_TRY(Padding(budget, width, " ", true));
  }
  const MarkedString& indent = arguments[0].Is(Kind::kString) ? arguments[0].string().marked : spaces;
  const bool first = BoolArgument(arguments[1], false), blank = BoolArgument(arguments[2], false);
  OCTET_TRY(budget.Allow(text.marked.MemoryOf(1) + spaces.memory()));
  OCTET_TRY(budget.SpendSearch(text.marked.size()));
  MarkedString copy;
  copy.Reserve(text.marked.size() + 1, text.marked.runs() + 1);
  copy.Append(text.marked);
  copy.Append("\n", true);
  const Value holder = MakeString(budget, std::move(copy));
  const MarkedString& ended = holder.string().marked;
  MarkedString out;
  size_t at = 0;
  while (const std::optional<Part> line = NextLine(ended, false, at)) {
    OCTET_TRY(budget.AllowBehind(out.memory(), indent.memory() + ended.MemoryOfSlice(line->begin, line->end)));
    if (line->begin > 0) out.Append("\n", true);
    if (line->begin == 0 ? first : blank || line->begin < line->end) out.Append(indent);
    out.AppendSlice(ended, line->begin, line->end);
  }
  return MakeString(budget, std::move(out), text.markup);
}

Result<Value> Truncate(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const Integer length = OCTET_TRY(IntegerArgument(arguments[0], 255));
  const MarkedString dots("...", true);
  const MarkedString& end = arguments[2].missing() ? dots : OCTET_TRY(StringArgument(arguments[2]))->marked;
  const Integer leeway = arguments[3].Is(Kind::kNone) ? 5 : OCTET_TRY(IntegerArgument(arguments[3], 5));
  const Integer end_characters = static_cast<Integer>(CharactersIn(end.text()));
  if (length < end_characters)
    return Refuse("expected length >= ", IntegerText(end_characters), ", got ", IntegerText(length));
  if (leeway < 0) return Refuse("expected leeway >= 0, got ", IntegerText(leeway));
  // Anything with a length that is short enough passes, as in Python.
  if (static_cast<Integer>(OCTET_TRY(LengthOf(subject))) <= length + leeway) return subject;
  const StringObject& text = *OCTET_TRY(StringArgument(subject));
  OCTET_TRY(budget.SpendBytes(text.marked.size()));
  size_t kept = OffsetOfCharacter(text.text(), static_cast<size_t>(length - end_characters));
  if (!BoolArgument(arguments[1], false)) {
    const size_t space = text.text().substr(0, kept).rfind(' ');
    if (space != std::string_view::npos) kept = space;
  }
  OCTET_TRY(budget.Allow(text.marked.MemoryOfSlice(0, kept) + end.MemoryOf(1)));
  MarkedString out;
  out.Reserve(kept + end.size(), 1);
  out.AppendSlice(text.marked, 0, kept);
  out.Append(end);
  return MakeString(budget, std::move(out), text.markup);
}

Result<Value> WordCount(Evaluator& evaluator, const Value& subject, Bound&) {
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  OCTET_TRY(evaluator.budget().SpendCharacters(text.string().marked.size()));
  Integer words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.string().marked.size();) {
    const bool word = IsWord(DecodeCharacter(text.string().text(), at));
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::FromInteger(words);
}

Result<Value> Format(Evaluator& evaluator, const Value& subject, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    return Refuse("can't handle positional and keyword arguments at the same time");
  }
  Budget& budget = evaluator.budget();
  const Value text = OCTET_TRY(SoftString(evaluator, subject));
  if (arguments.named.empty()) {
    const Value tuple = OCTET_TRY(MakeSequence(budget, SequenceKind::kTuple, std::move(arguments.positional)));
    return FormatPercent(budget, text.string(), tuple);
  }
  auto dict = std::make_shared<Dict>();
  for (auto& [name, value] : arguments.named) dict->Insert(MakeString(budget, std::move(name)), std::move(value));
  return FormatPercent(budget, text.string(), OCTET_TRY(FinishDict(budget, std::move(dict))));
}

Result<std::string> JsonIndent(Budget& budget, const Value& value) {
  if (value.Is(Kind::kString)) {
    if (value.string().marked.size() > 1024) return Refuse("a JSON indent has at most 1024 characters");
    return std::string(value.string().text());
  }
  const Integer asked_width = OCTET_TRY(IntegerArgument(value, 0));
  const size_t width = OCTET_TRY(SizeArgument(budget, asked_width));
  if (width > 1024) return Refuse("a JSON indent has at most 1024 characters, ", width, " are asked for");
  return std::string(width, ' ');
}

Result<Value> ToJson(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  JsonStyle style;
  style.ascii = BoolArgument(arguments[0], false);
  if (!arguments[1].missing() && !arguments[1].Is(Kind::kNone)) {
    style.indent = OCTET_TRY(JsonIndent(evaluator.budget(), arguments[1]));
    style.item_separator = ",";
  }
  if (!arguments[2].missing() && !arguments[2].Is(Kind::kNone)) {
    const std::vector<Value> separators = OCTET_TRY(Iterate(evaluator.budget(), arguments[2]));
    if (separators.size() != 2) return Refuse("tojson: separators are a pair, ", separators.size(), " given");
    style.item_separator = OCTET_TRY(StringArgument(separators[0]))->text();
    style.key_separator = OCTET_TRY(StringArgument(separators[1]))->text();
  }
  style.sort_keys = BoolArgument(arguments[3], false);
  MarkedString out;
  OCTET_TRY(AppendJson(evaluator.budget(), subject, style, out));
  return MakeString(evaluator.budget(), std::move(out));
}

constexpr Native kTextFilters[] = {
    {"capitalize", "", Apply<CapitalizeText>},
    {"center", "width?", Center},
    {"format", "", nullptr, Format},
    {"indent", "width? first? blank?", Indent},
    {"lower", "", Apply<LowerText>},
    {"replace", "old new count?", Replace},
    {"string", "", String},
    {"title", "", Apply<TitleWords>},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", ToJson},
    {"trim", "chars?", Trim},
    {"truncate", "length? killwords? end? leeway?", Truncate},
    {"upper", "", Apply<UpperText>},
    {"wordcount", "", WordCount},
};

}  // namespace

std::span<const Native> TextFilters() { return kTextFilters; }

}  // namespace octet::jinja
