// Methods of strings that yield other strings (natives.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/format.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

template <MarkedString (*transform)(const MarkedString&)>
Result<Value> ApplyTransform(Evaluator& evaluator, const Value& self, Bound&) {
  OCTET_TRY(AllowMapped(evaluator.budget(), self.string()));
  return TextLike(evaluator, transform(self.string().marked), self);
}

// str.title: a letter behind a character without case is upper-case, all others are lower-case.
MarkedString TitleText(const MarkedString& text) {
  MarkedString titled;
  titled.ReserveAs(text);
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text.text(), at);
    titled.Append(inside ? LowerOf(character) : TitleOf(character), text.TrustedAt(begin));
    inside = IsUpper(character) || IsLower(character) || IsTitle(character);
  }
  return titled;
}

MarkedString SwapCase(const MarkedString& text) {
  MarkedString swapped;
  swapped.ReserveAs(text);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text.text(), at);
    swapped.Append(IsUpper(character)   ? LowerOf(character)
                   : IsLower(character) ? UpperOf(character)
                                        : std::string(text.text().substr(begin, at - begin)),
                   text.TrustedAt(begin));
  }
  return swapped;
}

template <Side side>
Result<Value> Strip(Evaluator& evaluator, const Value& self, Bound& arguments) {
  std::optional<std::string_view> set;
  if (!arguments[0].missing() && !arguments[0].Is(Kind::kNone)) set = OCTET_TRY(StringArgument(arguments[0]))->text();
  return TextLike(evaluator, OCTET_TRY(StripText(evaluator.budget(), self.string().marked, set, side)), self);
}

Result<Value> ReplaceMethod(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const std::string_view old = OCTET_TRY(StringArgument(arguments[0]))->text();
  const MarkedString& with = OCTET_TRY(StringArgument(arguments[1]))->marked;
  const Integer count = OCTET_TRY(IntegerArgument(arguments[2], -1));
  return TextLike(evaluator, OCTET_TRY(ReplaceText(evaluator.budget(), self.string().marked, old, with, count)), self);
}

template <bool prefix>
Result<Value> Remove(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const std::string_view part = OCTET_TRY(StringArgument(arguments[0]))->text();
  OCTET_TRY(evaluator.budget().SpendBytes(part.size()));
  const bool found = prefix ? text.text().starts_with(part) : text.text().ends_with(part);
  if (!found) return self;
  const size_t begin = prefix ? part.size() : 0, end = text.size() - (prefix ? 0 : part.size());
  OCTET_TRY(evaluator.budget().Allow(text.MemoryOfSlice(begin, end)));
  return TextLike(evaluator, text.Slice(begin, end), self);
}

Result<std::string_view> FillCharacter(const Value& fill) {
  if (fill.missing()) return std::string_view(" ");
  const StringObject& character = *OCTET_TRY(StringArgument(fill));
  if (character.characters != 1) return Refuse("The fill character must be exactly one character long");
  return character.text();
}

bool FillTrust(const Value& self, const Value& fill) {
  return self.string().marked.trusted() && (fill.missing() || fill.string().marked.trusted());
}

Result<Value> CenterMethod(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const Integer width = OCTET_TRY(IntegerArgument(arguments[0], 0));
  const std::string_view fill = OCTET_TRY(FillCharacter(arguments[1]));
  return TextLike(evaluator,
                  OCTET_TRY(CenterText(evaluator.budget(), self.string().marked, self.string().characters, width, fill,
                                       FillTrust(self, arguments[1]))),
                  self);
}

template <bool left>
Result<Value> Justify(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const Integer width = OCTET_TRY(IntegerArgument(arguments[0], 0));
  const std::string_view fill = OCTET_TRY(FillCharacter(arguments[1]));
  const Integer missing = width - static_cast<Integer>(self.string().characters);
  const MarkedString& whole = self.string().marked;
  const MarkedString padding = OCTET_TRY(Padding(evaluator.budget(), missing, fill, FillTrust(self, arguments[1])));
  OCTET_TRY(evaluator.budget().AllowBehind(padding.memory(), whole.MemoryOf(1)));
  MarkedString text;
  text.Reserve(whole.size() + padding.size(), whole.runs() + 1);
  text.Append(left ? whole : padding);
  text.Append(left ? padding : whole);
  return TextLike(evaluator, std::move(text), self);
}

Result<Value> ZeroFill(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const Integer missing = OCTET_TRY(IntegerArgument(arguments[0], 0)) - static_cast<Integer>(self.string().characters);
  const size_t sign = !text.empty() && (text.text()[0] == '-' || text.text()[0] == '+') ? 1 : 0;
  const MarkedString zeros = OCTET_TRY(Padding(evaluator.budget(), missing, "0", text.trusted()));
  OCTET_TRY(evaluator.budget().AllowBehind(zeros.memory(), text.MemoryOf(1)));
  MarkedString filled;
  filled.Reserve(zeros.size() + text.size(), text.runs() + 2);
  filled.AppendSlice(text, 0, sign);
  filled.Append(zeros);
  filled.AppendSlice(text, sign, text.size());
  return TextLike(evaluator, std::move(filled), self);
}

Result<Value> ExpandTabs(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const Integer asked_width = OCTET_TRY(IntegerArgument(arguments[0], 8));
  const size_t width = OCTET_TRY(SizeArgument(evaluator.budget(), asked_width));
  OCTET_TRY(evaluator.budget().SpendCharacters(text.size()));
  OCTET_TRY(evaluator.budget().Fit(text.MemoryOf(1)));
  MarkedString out;
  out.ReserveAs(text);
  size_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text.text(), at);
    if (character != '\t') {
      out.AppendSlice(text, begin, at);
      column = character == '\n' || character == '\r' ? 0 : column + 1;
    } else if (width > 0) {
      const size_t spaces = width - column % width;
      const MarkedString padding =
          OCTET_TRY(Padding(evaluator.budget(), static_cast<Integer>(spaces), " ", text.TrustedAt(begin)));
      OCTET_TRY(evaluator.budget().Fit(2 * (out.memory() + padding.memory())));
      out.Append(padding);
      column += spaces;
    }
  }
  return TextLike(evaluator, std::move(out), self);
}

Result<Value> JoinMethod(Evaluator& evaluator, const Value& self, Bound& arguments) {
  Budget& budget = evaluator.budget();
  MarkedString text;
  size_t index = 0;
  for (const Value& item : OCTET_TRY(Iterate(budget, arguments[0]))) {
    if (!item.Is(Kind::kString))
      return Refuse("sequence item ", index, ": expected str instance, ", TypeName(item), " found");
    OCTET_TRY(budget.AllowBehind(text.memory(), self.string().marked.memory() + item.string().marked.memory()));
    if (index++ > 0) text.Append(self.string().marked);
    text.Append(item.string().marked);
  }
  return TextLike(evaluator, std::move(text), self);
}

Result<Value> FormatMethod(Evaluator& evaluator, const Value& self, Arguments& arguments) {
  return FormatBraces(evaluator, self.string(), arguments);
}

Result<Value> FormatMap(Evaluator& evaluator, const Value& self, Bound& arguments) {
  if (!arguments[0].Is(Kind::kDict)) return Refuse("format_map() takes a mapping, not ", TypeName(arguments[0]));
  Arguments named;
  OCTET_TRY(evaluator.budget().Spend(arguments[0].dict().entries.size()));
  for (const auto& [key, value] : arguments[0].dict().entries) {
    if (key.Is(Kind::kString)) named.named.emplace_back(key.string().marked, value);
  }
  return FormatBraces(evaluator, self.string(), named);
}

constexpr Native kTextMethods[] = {
    {"capitalize", "", ApplyTransform<CapitalizeText>},
    {"casefold", "", ApplyTransform<FoldText>},
    {"center", "/ width fillchar?", CenterMethod},
    {"expandtabs", "tabsize?", ExpandTabs},
    {"format", "", nullptr, FormatMethod},
    {"format_map", "/ mapping", FormatMap},
    {"join", "/ iterable", JoinMethod},
    {"ljust", "/ width fillchar?", Justify<true>},
    {"lower", "", ApplyTransform<LowerText>},
    {"lstrip", "/ chars?", Strip<Side::kLeft>},
    {"removeprefix", "/ prefix", Remove<true>},
    {"removesuffix", "/ suffix", Remove<false>},
    {"replace", "/ old new count?", ReplaceMethod},
    {"rjust", "/ width fillchar?", Justify<false>},
    {"rstrip", "/ chars?", Strip<Side::kRight>},
    {"strip", "/ chars?", Strip<Side::kBoth>},
    {"swapcase", "", ApplyTransform<SwapCase>},
    {"title", "", ApplyTransform<TitleText>},
    {"upper", "", ApplyTransform<UpperText>},
    {"zfill", "/ width", ZeroFill},
};

}  // namespace

std::span<const Native> TextMethods() { return kTextMethods; }

}  // namespace octet::jinja
