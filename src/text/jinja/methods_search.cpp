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
    if (last) OCTET_TRY(evaluator.budget().Fit(inside.size() + part.size()));
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

// The word between white space behind `at`, which moves behind it; when `limit` words were cut off, the rest as it is.
std::optional<Part> NextWord(const MarkedString& text, Integer& limit, size_t& at) {
  size_t begin = at;
  while (at < text.size() && IsSpace(DecodeCharacter(text.text(), at))) begin = at;
  if (begin == text.size()) return std::nullopt;
  if (limit == 0) {
    at = text.size();
    return Part{begin, at};
  }
  --limit;
  for (at = begin; at < text.size();) {
    const size_t end = at;
    if (IsSpace(DecodeCharacter(text.text(), at))) return Part{begin, end};
  }
  return Part{begin, at};
}

// The offset of the character that ends at `end`. Requires end > 0.
size_t CharacterBefore(std::string_view text, size_t end) {
  do --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

bool IsSpaceBefore(std::string_view text, size_t end) {
  size_t at = CharacterBefore(text, end);
  return IsSpace(DecodeCharacter(text, at));
}

// When `limit` words were cut off, the rest is kept as it is.
Result<std::vector<Part>> SplitWordsFromRight(Budget& budget, std::string_view text, Integer limit) {
  const auto most = static_cast<size_t>(std::min<Integer>(limit, static_cast<Integer>(text.size() / 2))) + 1;
  OCTET_TRY(budget.Allow(most * sizeof(Part)));
  std::vector<Part> words;
  words.reserve(most);
  for (size_t end = text.size();; --limit) {
    while (end > 0 && IsSpaceBefore(text, end)) end = CharacterBefore(text, end);
    if (end == 0) break;
    size_t begin = limit == 0 ? 0 : end;
    while (begin > 0 && !IsSpaceBefore(text, begin)) begin = CharacterBefore(text, begin);
    words.push_back({begin, end});
    end = begin;
  }
  std::reverse(words.begin(), words.end());
  return words;
}

// The piece before the separator behind `at`, which moves behind that; kNowhere behind the last piece.
std::optional<Part> NextPiece(const MarkedString& text, std::string_view separator, Integer& limit, size_t& at) {
  if (at == kNowhere) return std::nullopt;
  const size_t begin = at;
  const size_t cut = limit == 0 ? kNowhere : FindPart(text.text(), separator, begin);
  --limit;
  at = cut == kNowhere ? kNowhere : cut + separator.size();
  return Part{begin, std::min(cut, text.size())};
}

// Read backwards: overlapping separators cut at other places than from the left.
Result<std::vector<Part>> SplitFromRight(Budget& budget, const MarkedString& text, std::string_view separator,
                                         Integer limit) {
  const MarkedString backwards(std::string(text.text().rbegin(), text.text().rend()), true);
  const std::string sought(separator.rbegin(), separator.rend());
  size_t count = 0, at = 0;
  for (Integer left = limit; NextPiece(backwards, sought, left, at);) ++count;
  OCTET_TRY(budget.Allow(count * sizeof(Part)));
  std::vector<Part> parts;
  parts.reserve(count);
  at = 0;
  while (const std::optional<Part> part = NextPiece(backwards, sought, limit, at))
    parts.push_back({text.size() - part->end, text.size() - part->begin});
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// A list of the parts that `next` yields one by one. They are counted first: each takes a hundred times its byte.
template <class Next>
Result<Value> TextList(Evaluator& evaluator, const Value& like, Next next) {
  const MarkedString& text = like.string().marked;
  size_t count = 0;
  for (Next counted = next; counted();) ++count;
  OCTET_TRY(evaluator.budget().Allow(text.MemoryOf(1) + count * (sizeof(Value) + kStringBytes)));
  std::vector<Value> items;
  items.reserve(count);
  while (const std::optional<Part> part = next())
    items.push_back(TextLike(evaluator, text.Slice(part->begin, part->end), like));
  return MakeSequence(evaluator.budget(), SequenceKind::kList, std::move(items));
}

Result<Value> TextList(Evaluator& evaluator, const Value& like, const std::vector<Part>& parts) {
  return TextList(evaluator, like, [&parts, at = size_t{0}]() mutable {
    return at < parts.size() ? std::optional<Part>(parts[at++]) : std::nullopt;
  });
}

template <bool from_right>
Result<Value> Split(Evaluator& evaluator, const Value& self, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const MarkedString& text = self.string().marked;
  const Integer limit = OCTET_TRY(IntegerArgument(arguments[1], -1));
  OCTET_TRY(budget.Allow(text.size() * 4));
  if (arguments[0].missing() || arguments[0].Is(Kind::kNone)) {
    if (from_right && limit >= 0) {
      return TextList(evaluator, self, OCTET_TRY(SplitWordsFromRight(budget, text.text(), limit)));
    }
    return TextList(evaluator, self,
                    [&text, left = limit, at = size_t{0}]() mutable { return NextWord(text, left, at); });
  }
  const std::string_view separator = OCTET_TRY(StringArgument(arguments[0]))->text();
  if (separator.empty()) return Refuse("empty separator");
  if (from_right) return TextList(evaluator, self, OCTET_TRY(SplitFromRight(budget, text, separator, limit)));
  return TextList(evaluator, self, [&text, separator, left = limit, at = size_t{0}]() mutable {
    return NextPiece(text, separator, left, at);
  });
}

Result<Value> SplitLines(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  OCTET_TRY(evaluator.budget().Allow(text.size() * 4));
  return TextList(evaluator, self, [&text, keep_ends = BoolArgument(arguments[0], false), at = size_t{0}]() mutable {
    return NextLine(text, keep_ends, at);
  });
}

template <bool from_right>
Result<Value> Partition(Evaluator& evaluator, const Value& self, Bound& arguments) {
  const MarkedString& text = self.string().marked;
  const std::string_view separator = OCTET_TRY(StringArgument(arguments[0]))->text();
  if (separator.empty()) return Refuse("empty separator");
  OCTET_TRY(evaluator.budget().Allow(text.MemoryOf(1) + separator.size()));
  OCTET_TRY(evaluator.budget().SpendSearch(text.size()));
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
