// Methods of strings that look for parts and cut at them (natives.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

// The bytes of `self` that optional start and end characters leave, as slices take them.
struct Window {
  size_t begin, end;
  bool valid;  // false where the start is beyond the end
};

Result<Window> WindowOf(Evaluator& evaluator, const Value& self, const Value& start, const Value& end) {
  OCTET_TRY(evaluator.budget().SpendSearch(self.string().marked.size()));
  const Integer length = static_cast<Integer>(self.string().characters);
  const auto clamp = [&](Integer index) {
    return std::clamp<Integer>(index < 0 ? std::max<Integer>(index, -length) + length : index, 0, length + 1);
  };
  const Integer first = start.Is(Kind::kNone) ? 0 : clamp(OCTET_TRY(IntegerArgument(start, 0)));
  const Integer last = end.Is(Kind::kNone) ? length : std::min(length, clamp(OCTET_TRY(IntegerArgument(end, length))));
  const size_t begin = OffsetOfCharacter(self.string().text(), static_cast<size_t>(first));
  const size_t stop = OffsetOfCharacter(self.string().text(), static_cast<size_t>(last));
  return Window{begin, stop, first <= last};
}

Result<Value> FindIn(Evaluator& evaluator, const Value& self, Bound& arguments, bool last, bool required) {
  const std::string_view part = OCTET_TRY(StringArgument(arguments[0]))->text();
  const Window window = OCTET_TRY(WindowOf(evaluator, self, arguments[1], arguments[2]));
  const std::string_view text = self.string().text();
  size_t found = kNowhere;
  if (window.valid) {
    const std::string_view inside = text.substr(window.begin, window.end - window.begin);
    found = last ? FindLastPart(inside, part) : FindPart(inside, part, 0);
  }
  if (found == kNowhere && required) return Refuse("substring not found");
  if (found == kNowhere) return Value::FromInteger(-1);
  return Value::FromInteger(static_cast<Integer>(CharactersIn(text.substr(0, window.begin + found))));
}

Result<Value> Find(Evaluator& evaluator, const Value& self, Bound& arguments) {
  return FindIn(evaluator, self, arguments, false, false);
}
Result<Value> RightFind(Evaluator& evaluator, const Value& self, Bound& arguments) {
  return FindIn(evaluator, self, arguments, true, false);
}
Result<Value> TextIndex(Evaluator& evaluator, const Value& self, Bound& arguments) {
  return FindIn(evaluator, self, arguments, false, true);
}
Result<Value> RightIndex(Evaluator& evaluator, const Value& self, Bound& arguments) {
  return FindIn(evaluator, self, arguments, true, true);
}

Result<Value> TextCount(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const StringObject& part = *OCTET_TRY(StringArgument(arguments[0]));
  const Window window = OCTET_TRY(WindowOf(evaluator, self, arguments[1], arguments[2]));
  if (!window.valid) return Value::FromInteger(0);
  const std::string_view inside = self.string().text().substr(window.begin, window.end - window.begin);
  if (part.marked.empty()) return Value::FromInteger(static_cast<Integer>(CharactersIn(inside)) + 1);
  Integer count = 0;
  for (size_t at = FindPart(inside, part.text(), 0); at != kNowhere;
       at = FindPart(inside, part.text(), at + part.marked.size()))
    ++count;
  return Value::FromInteger(count);
}

template <bool prefix>
Result<Value> Affix(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const Window window = OCTET_TRY(WindowOf(evaluator, self, arguments[1], arguments[2]));
  const std::string_view inside =
      self.string().text().substr(window.begin, window.valid ? window.end - window.begin : 0);
  const auto matches = [&](std::string_view part) {
    return window.valid && (prefix ? inside.starts_with(part) : inside.ends_with(part));
  };
  if (!arguments[0].Is(Kind::kSequence) || arguments[0].sequence().type != SequenceKind::kTuple) {
    return Value::FromBool(matches(OCTET_TRY(StringArgument(arguments[0]))->text()));
  }
  for (const Value& part : arguments[0].sequence().items) {
    OCTET_TRY(evaluator.budget().Spend(1));
    if (matches(OCTET_TRY(StringArgument(part))->text())) return Value::FromBool(true);
  }
  return Value::FromBool(false);
}

// Words between white space; after `limit` cuts the rest stays whole.
std::vector<MarkedString> SplitWords(const MarkedString& text, Integer limit) {
  std::vector<MarkedString> words;
  size_t begin = kNowhere;
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    const bool space = IsSpace(DecodeCharacter(text.text(), at));
    if (!space && begin == kNowhere) {
      begin = here;
      if (limit == 0) break;
    } else if (space && begin != kNowhere) {
      words.push_back(text.Slice(begin, here));
      begin = kNowhere;
      --limit;
    }
  }
  if (begin == kNowhere) return words;
  words.push_back(text.Slice(begin, text.size()));
  return words;
}

std::vector<MarkedString> SplitWordsFromRight(const MarkedString& text, Integer limit) {
  std::vector<MarkedString> words;
  MarkedString rest = StripText(text, std::nullopt, Side::kRight);
  while (!rest.empty()) {
    size_t space_begin = kNowhere, space_end = 0;
    for (size_t at = 0; at < rest.size() && limit != 0;) {
      const size_t here = at;
      if (IsSpace(DecodeCharacter(rest.text(), at))) space_begin = here, space_end = at;
    }
    if (space_begin == kNowhere) break;
    words.push_back(rest.Slice(space_end, rest.size()));
    rest = StripText(rest.Slice(0, space_begin), std::nullopt, Side::kRight);
    --limit;
  }
  if (!rest.empty()) words.push_back(limit == 0 ? rest : StripText(rest, std::nullopt, Side::kLeft));
  std::erase_if(words, [](const MarkedString& word) { return word.empty(); });
  std::reverse(words.begin(), words.end());
  return words;
}

std::vector<MarkedString> SplitAt(const MarkedString& text, std::string_view separator, Integer limit,
                                  bool from_right) {
  // From the right both are read backwards: overlapping separators cut at other places.
  const std::string text_backwards = from_right ? std::string(text.text().rbegin(), text.text().rend()) : "";
  const std::string separator_backwards = from_right ? std::string(separator.rbegin(), separator.rend()) : "";
  const std::string_view searched = from_right ? text_backwards : text.text();
  const std::string_view sought = from_right ? separator_backwards : separator;
  std::vector<size_t> cuts;
  for (size_t at = FindPart(searched, sought, 0); at != kNowhere; at = FindPart(searched, sought, at + sought.size()))
    cuts.push_back(from_right ? text.size() - sought.size() - at : at);
  if (from_right) std::reverse(cuts.begin(), cuts.end());
  if (limit >= 0 && static_cast<Integer>(cuts.size()) > limit) {
    if (from_right)
      cuts.erase(cuts.begin(), cuts.end() - static_cast<std::ptrdiff_t>(limit));
    else
      cuts.resize(static_cast<size_t>(limit));
  }
  std::vector<MarkedString> parts;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    parts.push_back(text.Slice(begin, cut));
    begin = cut + separator.size();
  }
  parts.push_back(text.Slice(begin, text.size()));
  return parts;
}

Result<Value> TextList(Evaluator& evaluator, std::vector<MarkedString> parts, const Value& like) {
  OCTET_TRY(evaluator.budget().Allow(parts.size() * (sizeof(Value) + sizeof(StringObject))));
  std::vector<Value> items;
  items.reserve(parts.size());
  for (MarkedString& part : parts) items.push_back(TextLike(evaluator, std::move(part), like));
  return MakeSequence(evaluator.budget(), SequenceKind::kList, std::move(items));
}

template <bool from_right>
Result<Value> Split(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const Integer limit = OCTET_TRY(IntegerArgument(arguments[1], -1));
  OCTET_TRY(evaluator.budget().Allow(text.size() * 4));
  if (arguments[0].missing() || arguments[0].Is(Kind::kNone)) {
    if (from_right && limit >= 0) {
      OCTET_TRY(
          evaluator.budget().Spend(1 + text.size() / 64 * static_cast<size_t>(std::min<Integer>(limit, 1 << 20))));
      return TextList(evaluator, SplitWordsFromRight(text, limit), self);
    }
    return TextList(evaluator, SplitWords(text, limit), self);
  }
  const std::string_view separator = OCTET_TRY(StringArgument(arguments[0]))->text();
  if (separator.empty()) return Refuse("empty separator");
  return TextList(evaluator, SplitAt(text, separator, limit, from_right), self);
}

Result<Value> SplitLines(Evaluator& evaluator, const Value& self, Bound& arguments) {
  OCTET_TRY(evaluator.budget().Allow(self.string().marked.size() * 4));
  return TextList(evaluator, LinesOf(self.string().marked, BoolArgument(arguments[0], false)), self);
}

template <bool from_right>
Result<Value> Partition(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const std::string_view separator = OCTET_TRY(StringArgument(arguments[0]))->text();
  if (separator.empty()) return Refuse("empty separator");
  OCTET_TRY(evaluator.budget().Allow(text.size() * 4));
  const size_t at = from_right ? FindLastPart(text.text(), separator) : FindPart(text.text(), separator, 0);
  std::vector<Value> parts(3, TextLike(evaluator, MarkedString(), self));
  if (at == kNowhere) {
    parts[from_right ? 2 : 0] = self;
  } else {
    parts[0] = TextLike(evaluator, text.Slice(0, at), self);
    parts[1] = TextLike(evaluator, text.Slice(at, at + separator.size()), self);
    parts[2] = TextLike(evaluator, text.Slice(at + separator.size(), text.size()), self);
  }
  return MakeSequence(evaluator.budget(), SequenceKind::kTuple, std::move(parts));
}

constexpr Native kSearchMethods[] = {
    {"count", "/ sub start? end?", TextCount},   {"endswith", "/ suffix start? end?", Affix<false>},
    {"find", "/ sub start? end?", Find},         {"index", "/ sub start? end?", TextIndex},
    {"partition", "/ sep", Partition<false>},    {"rfind", "/ sub start? end?", RightFind},
    {"rindex", "/ sub start? end?", RightIndex}, {"rpartition", "/ sep", Partition<true>},
    {"rsplit", "sep? maxsplit?", Split<true>},   {"split", "sep? maxsplit?", Split<false>},
    {"splitlines", "keepends?", SplitLines},     {"startswith", "/ prefix start? end?", Affix<true>},
};

}  // namespace

std::span<const Native> SearchMethods() { return kSearchMethods; }

}  // namespace octet::jinja
