#include "text/jinja/text_tools.h"

#include <algorithm>
#include <cstring>

#include "text/jinja/characters.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/text_form.h"
#include "text/utf8.h"

namespace octet::jinja {
namespace {

template <class Map>
MarkedString MapCharacters(const MarkedString& text, Map&& map) {
  MarkedString mapped;
  mapped.ReserveAs(text);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text.text(), at);
    mapped.Append(map(character, begin, at), text.TrustedAt(begin));
  }
  return mapped;
}

bool IsCased(char32_t character) { return IsUpper(character) || IsLower(character) || IsTitle(character); }

// A capital sigma at the end of a word has a lower-case form of its own.
std::string LowerAt(std::string_view text, char32_t character, size_t begin, size_t end) {
  if (character != 0x3A3) return LowerOf(character);
  size_t before = begin;
  while (before > 0 && (static_cast<unsigned char>(text[--before]) & 0xC0) == 0x80) {
  }
  const bool after_letter = begin > 0 && IsCased(DecodeCharacter(text, before));
  const bool before_letter = end < text.size() && IsCased(DecodeCharacter(text, end));
  return after_letter && !before_letter ? "\317\202" : "\317\203";
}

bool InSet(const std::optional<std::string_view>& set, char32_t character) {
  if (!set) return IsSpace(character);
  for (size_t at = 0; at < set->size();) {
    if (DecodeCharacter(*set, at) == character) return true;
  }
  return false;
}

}  // namespace

MarkedString UpperText(const MarkedString& text) {
  if (IsAscii(text.text()))
    return text.MapBytes([](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return MapCharacters(text, [](char32_t character, size_t, size_t) { return UpperOf(character); });
}

MarkedString LowerText(const MarkedString& text) {
  if (IsAscii(text.text()))
    return text.MapBytes([](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return MapCharacters(
      text, [&](char32_t character, size_t begin, size_t end) { return LowerAt(text.text(), character, begin, end); });
}

MarkedString CapitalizeText(const MarkedString& text) {
  return MapCharacters(text, [&](char32_t character, size_t begin, size_t end) {
    return begin == 0 ? TitleOf(character) : LowerAt(text.text(), character, begin, end);
  });
}

MarkedString FoldText(const MarkedString& text) {
  return MapCharacters(text, [](char32_t character, size_t, size_t) { return FoldOf(character); });
}

Status AllowMapped(Budget& budget, const StringObject& text) {
  // What grows is there twice while it moves.
  OCTET_TRY(budget.Allow(text.marked.MemoryOf(1) + (text.ascii() ? 0 : 3 * text.marked.size())));
  return budget.SpendCharacters(text.marked.size());
}

Result<Part> StrippedPart(Budget& budget, std::string_view text, const std::optional<std::string_view>& set,
                          Side side) {
  const size_t looked_through = set ? set->size() : 0;  // for each character that goes
  size_t begin = 0, end = text.size();
  while (side != Side::kRight && begin < end) {
    size_t next = begin;
    OCTET_TRY(budget.SpendSearch(looked_through));
    if (!InSet(set, DecodeCharacter(text, next))) break;
    begin = next;
  }
  while (side != Side::kLeft && begin < end) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    size_t after = last;
    OCTET_TRY(budget.SpendSearch(looked_through));
    if (!InSet(set, DecodeCharacter(text, after))) break;
    end = last;
  }
  return Part{begin, end};
}

Result<MarkedString> StripText(Budget& budget, const MarkedString& text, const std::optional<std::string_view>& set,
                               Side side) {
  const Part part = OCTET_TRY(StrippedPart(budget, text.text(), set, side));
  OCTET_TRY(budget.Allow(text.MemoryOfSlice(part.begin, part.end)));
  return text.Slice(part.begin, part.end);
}

size_t FindPart(std::string_view text, std::string_view part, size_t begin) {
  if (begin > text.size()) return std::string_view::npos;
  if (part.empty()) return begin;
  const void* found = memmem(text.data() + begin, text.size() - begin, part.data(), part.size());
  return found == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t FindLastPart(std::string_view text, std::string_view part) {
  // Read backwards, so that the work is linear: rfind compares the whole part at each place.
  const std::string text_backwards(text.rbegin(), text.rend()), part_backwards(part.rbegin(), part.rend());
  const size_t found = FindPart(text_backwards, part_backwards, 0);
  return found == std::string_view::npos ? found : text.size() - part.size() - found;
}

Result<MarkedString> ReplaceText(Budget& budget, const MarkedString& text, std::string_view old,
                                 const MarkedString& with, Integer count) {
  OCTET_TRY(budget.SpendSearch(text.size()));
  MarkedString replaced;
  size_t kept = 0;
  if (old.empty()) {
    // Between all characters, and at both ends.
    for (size_t at = 0; count != 0; --count) {
      OCTET_TRY(budget.AllowBehind(replaced.memory(), with.memory()));
      replaced.Append(with);
      kept = at;
      if (at >= text.size()) break;
      DecodeCharacter(text.text(), at);
      replaced.AppendSlice(text, kept, at);
      kept = at;
    }
    OCTET_TRY(budget.AllowBehind(replaced.memory(), text.MemoryOfSlice(kept, text.size())));
    replaced.AppendSlice(text, kept, text.size());
    return replaced;
  }
  for (size_t at = FindPart(text.text(), old, 0); at != std::string_view::npos && count != 0; --count) {
    OCTET_TRY(budget.AllowBehind(replaced.memory(), text.MemoryOfSlice(kept, at) + with.memory()));
    replaced.AppendSlice(text, kept, at);
    replaced.Append(with);
    kept = at + old.size();
    at = FindPart(text.text(), old, kept);
  }
  OCTET_TRY(budget.AllowBehind(replaced.memory(), text.MemoryOfSlice(kept, text.size())));
  replaced.AppendSlice(text, kept, text.size());
  return replaced;
}

std::optional<Part> NextLine(const MarkedString& text, bool keep_ends, size_t& at) {
  const std::string_view all = text.text();
  const size_t begin = at;
  while (at < all.size()) {
    const size_t end = at;
    const char32_t character = DecodeCharacter(all, at);
    if (!IsLineBreak(character)) continue;
    if (character == '\r' && at < all.size() && all[at] == '\n') ++at;
    return Part{begin, keep_ends ? at : end};
  }
  if (begin == all.size()) return std::nullopt;
  return Part{begin, all.size()};
}

Result<size_t> SizeArgument(Budget& budget, Integer value) {
  if (value < 0) return size_t{0};
  if (value > static_cast<Integer>(budget.limits().memory_bytes)) {
    return Fail(ErrorCode::kExhausted, "a size of ", IntegerText(value), " is above the memory limit of ",
                budget.limits().memory_bytes, " bytes");
  }
  return static_cast<size_t>(value);
}

Result<MarkedString> Padding(Budget& budget, Integer count, std::string_view character, bool trusted) {
  const size_t copies = OCTET_TRY(SizeArgument(budget, count));
  OCTET_TRY(budget.Allow(copies * character.size()));
  std::string text;
  text.reserve(copies * character.size());
  for (size_t i = 0; i < copies; ++i) text += character;
  return MarkedString(std::move(text), trusted);
}

Result<MarkedString> CenterText(Budget& budget, const MarkedString& text, size_t characters, Integer width,
                                std::string_view fill, bool trusted) {
  const Integer margin = width - static_cast<Integer>(characters);
  if (margin <= 0) {
    OCTET_TRY(budget.Allow(text.MemoryOf(1)));
    return text;
  }
  // The odd space goes left where the width is odd, as in CPython.
  const Integer left = margin / 2 + (margin & width & 1);
  const MarkedString padding = OCTET_TRY(Padding(budget, std::max(left, margin - left), fill, trusted));
  OCTET_TRY(budget.AllowBehind(padding.memory(), padding.memory() + text.MemoryOf(1)));
  MarkedString centered;
  centered.Reserve(static_cast<size_t>(margin) * fill.size() + text.size(), text.runs() + 2);
  centered.AppendSlice(padding, 0, static_cast<size_t>(left) * fill.size());
  centered.Append(text);
  centered.AppendSlice(padding, 0, static_cast<size_t>(margin - left) * fill.size());
  return centered;
}

Result<Integer> IntegerArgument(const Value& value, Integer otherwise) {
  if (value.missing()) return otherwise;
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  if (!value.IsWhole()) return Refuse("'", TypeName(value), "' object cannot be interpreted as an integer");
  return value.integer();
}

Result<const StringObject*> StringArgument(const Value& value) {
  if (value.Is(Kind::kUndefined)) return RefuseUndefined(value);
  if (!value.Is(Kind::kString)) return Refuse("a string is expected, not ", TypeName(value));
  return &value.string();
}

bool BoolArgument(const Value& value, bool otherwise) { return value.missing() ? otherwise : IsTrue(value); }

Value TextLike(Evaluator& evaluator, MarkedString text, const Value& like) {
  return MakeString(evaluator.budget(), std::move(text), like.string().markup);
}

Result<Value> SoftString(Evaluator& evaluator, const Value& value) {
  if (value.Is(Kind::kString)) return value;
  return MakeString(evaluator.budget(), OCTET_TRY(TextOf(evaluator.budget(), value)));
}

}  // namespace octet::jinja
