// Iteration, length, subscripts and slices (operations.h).
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

Result<std::vector<Value>> CharactersOf(Budget& budget, const StringObject& string) {
  OCTET_TRY(budget.Allow(string.characters * (sizeof(Value) + kStringBytes)));
  std::vector<Value> characters;
  characters.reserve(string.characters);
  for (size_t at = 0; at < string.marked.size();) {
    const size_t begin = at;
    DecodeCharacter(string.text(), at);
    characters.push_back(MakeString(budget, string.marked.Slice(begin, at)));
  }
  return characters;
}

// What is left of a generator, which is then empty.
Result<std::vector<Value>> TakeAll(const Sequence& generator) {
  if (generator.failure) return tl::unexpected<Error>(*generator.failure);
  std::vector<Value> items(generator.items.begin() + static_cast<std::ptrdiff_t>(generator.consumed),
                           generator.items.end());
  generator.consumed = generator.items.size();
  return items;
}

// The positions that start:stop:step selects of `length` items.
struct Selection {
  Integer start, step;
  size_t count;
};

Result<std::optional<Integer>> SliceBound(const Value& value) {
  if (value.missing() || value.Is(Kind::kNone)) return std::optional<Integer>();
  if (value.IsWhole()) return std::optional<Integer>(value.integer());
  return Refuse("slice indices must be integers or None or have an __index__ method");
}

Integer Clamp(Integer bound, Integer length, Integer lowest, Integer highest) {
  if (bound < 0) bound += length;
  return std::clamp(bound, lowest, highest);
}

Result<Selection> Select(size_t size, const Value& start, const Value& stop, const Value& step_value) {
  const Integer step = OCTET_TRY(SliceBound(step_value)).value_or(1);
  const auto first = OCTET_TRY(SliceBound(start)), end = OCTET_TRY(SliceBound(stop));
  if (step == 0) return Refuse("slice step cannot be zero");
  const Integer length = static_cast<Integer>(size);
  // A bound outside 64 bits selects as the nearest one inside does, and can't overflow below.
  const Integer lowest = step > 0 ? 0 : -1, highest = step > 0 ? length : length - 1;
  constexpr Integer kFar = Integer{1} << 64;
  const auto bounded = [&](std::optional<Integer> bound, Integer otherwise) {
    return bound ? Clamp(std::clamp(*bound, -kFar, kFar), length, lowest, highest) : otherwise;
  };
  const Integer from = bounded(first, step > 0 ? lowest : highest), to = bounded(end, step > 0 ? highest : lowest);
  const Integer span = step > 0 ? to - from : from - to;
  const Integer stride = std::min(step > 0 ? step : step < -kFar ? kFar : -step, kFar);
  const size_t count = span <= 0 ? 0 : static_cast<size_t>((span + stride - 1) / stride);
  return Selection{from, step > 0 ? stride : -stride, count};
}

// The offset so many characters behind `at`, or before it where they are negative. Requires that many.
size_t Moved(std::string_view text, size_t at, Integer characters) {
  if (characters >= 0) return at + OffsetOfCharacter(text.substr(at), static_cast<size_t>(characters));
  for (; characters < 0; ++characters) {
    do --at;
    while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  }
  return at;
}

Result<Value> SliceText(Budget& budget, const StringObject& string, const Selection& selection) {
  const auto start = static_cast<size_t>(selection.start);
  if (selection.count == 0) return MakeString(budget, MarkedString(), string.markup);
  const MarkedString& marked = string.marked;
  if (selection.step == 1) {
    OCTET_TRY(budget.SpendBytes(marked.size()));
    const size_t begin = string.ascii() ? start : OffsetOfCharacter(string.text(), start);
    const size_t size =
        string.ascii() ? selection.count : OffsetOfCharacter(string.text().substr(begin), selection.count);
    OCTET_TRY(budget.Allow(marked.MemoryOfSlice(begin, begin + size)));
    return MakeString(budget, marked.Slice(begin, begin + size), string.markup);
  }
  // No more than all of it, where each character is picked once.
  const size_t bytes = string.ascii() ? selection.count : std::min(marked.size(), 4 * selection.count);
  const size_t runs = std::min(marked.runs(), selection.count);
  OCTET_TRY(budget.SpendCharacters(string.ascii() ? bytes : marked.size()));
  OCTET_TRY(budget.Allow(MarkedString::MemoryFor(bytes, runs)));
  MarkedString text;
  text.Reserve(bytes, runs);
  size_t at = string.ascii() ? start : OffsetOfCharacter(string.text(), start);
  for (size_t left = selection.count; left > 0; --left) {
    size_t end = at;
    DecodeCharacter(string.text(), end);
    text.AppendSlice(marked, at, end);
    if (left > 1)
      at = string.ascii() ? at + static_cast<size_t>(selection.step) : Moved(string.text(), at, selection.step);
  }
  return MakeString(budget, std::move(text), string.markup);
}

}  // namespace

Result<std::vector<Value>> Iterate(Budget& budget, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::vector<Value>();
    case Kind::kString:
      return CharactersOf(budget, value.string());
    case Kind::kSequence:
      OCTET_TRY(budget.Allow(value.sequence().items.size() * sizeof(Value)));
      if (value.sequence().type == SequenceKind::kIterator) return TakeAll(value.sequence());
      return value.sequence().items;
    case Kind::kDict: {
      OCTET_TRY(budget.Allow(value.dict().entries.size() * sizeof(Value)));
      std::vector<Value> keys;
      keys.reserve(value.dict().entries.size());
      for (const auto& entry : value.dict().entries) keys.push_back(entry.first);
      return keys;
    }
    default:
      return Refuse("'", TypeName(value), "' object is not iterable");
  }
}

Result<size_t> LengthOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return size_t{0};
    case Kind::kString:
      return value.string().characters;
    case Kind::kDict:
      return value.dict().entries.size();
    case Kind::kSequence:
      if (value.sequence().type != SequenceKind::kIterator) return value.sequence().items.size();
      [[fallthrough]];
    default:
      return Refuse("object of type '", TypeName(value), "' has no len()");
  }
}

Result<Value> ItemAt(Budget& budget, const Value& value, const Value& index) {
  if (value.Is(Kind::kDict)) {
    OCTET_TRY(budget.SpendBytes(KeyBytes(index)));
    const Value* found = IsHashable(index) ? value.dict().Find(index) : nullptr;
    return found == nullptr ? Value() : *found;
  }
  const bool indexed = value.Is(Kind::kString) || (value.Is(Kind::kSequence) && value.sequence().IsIndexed());
  if (!indexed || !index.IsWhole()) return Value();
  const Integer length = static_cast<Integer>(OCTET_TRY(LengthOf(value)));
  Integer at = index.integer();
  if (at < 0) at += length;
  if (at < 0 || at >= length) return Value();
  if (value.Is(Kind::kSequence)) return value.sequence().items[static_cast<size_t>(at)];
  return SliceText(budget, value.string(), {at, 1, 1});
}

Result<Value> SliceOf(Budget& budget, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  if (value.Is(Kind::kString)) {
    return SliceText(budget, value.string(), OCTET_TRY(Select(value.string().characters, start, stop, step)));
  }
  if (!value.Is(Kind::kSequence) || !value.sequence().IsIndexed()) {
    return Refuse("'", TypeName(value), "' object is not subscriptable with a slice");
  }
  const Sequence& from = value.sequence();
  const Selection selection = OCTET_TRY(Select(from.items.size(), start, stop, step));
  OCTET_TRY(budget.Allow(selection.count * sizeof(Value)));
  auto slice = std::make_shared<Sequence>();
  slice->type = from.type;
  slice->items.reserve(selection.count);
  Integer index = selection.start;
  for (size_t i = 0; i < selection.count; ++i, index += selection.step) {
    slice->items.push_back(from.items[static_cast<size_t>(index)]);
  }
  if (from.type == SequenceKind::kRange) {
    slice->range_step = from.range_step * selection.step;
    slice->range_start = from.range_start + selection.start * from.range_step;
    slice->range_stop = slice->range_start + static_cast<Integer>(selection.count) * slice->range_step;
  }
  return FinishSequence(budget, std::move(slice));
}

}  // namespace octet::jinja
