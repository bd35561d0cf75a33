// What filters and string methods share: case, stripping, replacing, splitting and padding of marked strings.
//
// Characters that a change keeps or maps keep their marks; those it invents (padding) are trusted where all of the text
// is.
#pragma once

#include <optional>
#include <vector>

#include "text/jinja/marked_string.h"
#include "text/jinja/operations.h"
#include "text/jinja/value.h"

namespace octet::jinja {

class Evaluator;

MarkedString UpperText(const MarkedString& text);
MarkedString LowerText(const MarkedString& text);
MarkedString CapitalizeText(const MarkedString& text);
MarkedString FoldText(const MarkedString& text);

// Steps and memory of mapping each character of the text to what has up to three times its bytes, as those do.
Status AllowMapped(Budget& budget, const StringObject& text);

// Bytes of a text.
struct Part {
  size_t begin, end;
};
enum class Side : uint8_t { kBoth, kLeft, kRight };
// Without characters at the sides that are in `set`, or that are white space where there is no set.
Result<Part> StrippedPart(Budget& budget, std::string_view text, const std::optional<std::string_view>& set, Side side);
Result<MarkedString> StripText(Budget& budget, const MarkedString& text, const std::optional<std::string_view>& set,
                               Side side);

// Byte offset of `part` from `begin` on, or npos. Takes time in proportion to the text.
size_t FindPart(std::string_view text, std::string_view part, size_t begin);
size_t FindLastPart(std::string_view text, std::string_view part);
// Python's str.replace; a negative count replaces all.
Result<MarkedString> ReplaceText(Budget& budget, const MarkedString& text, std::string_view old,
                                 const MarkedString& with, Integer count);

// The line that begins at `at`, which moves behind it; nothing at the end. All lines at once would take many times the
// memory of the text.
std::optional<Part> NextLine(const MarkedString& text, bool keep_ends, size_t& at);
// `count` copies of the character.
Result<MarkedString> Padding(Budget& budget, Integer count, std::string_view character, bool trusted);
// Python's str.center; `characters` is the text's length.
Result<MarkedString> CenterText(Budget& budget, const MarkedString& text, size_t characters, Integer width,
                                std::string_view fill, bool trusted);

// Reading arguments, with Python's words where the type is wrong. A missing argument yields `otherwise`.
Result<Integer> IntegerArgument(const Value& value, Integer otherwise);
Result<const StringObject*> StringArgument(const Value& value);
bool BoolArgument(const Value& value, bool otherwise);
// The text as a string that is markup where `like` is.
Value TextLike(Evaluator& evaluator, MarkedString text, const Value& like);
// As jinja's soft_str: a string stays, anything else prints. The result is a kString.
Result<Value> SoftString(Evaluator& evaluator, const Value& value);
// An integer that has to be a size: negative becomes 0, huge ones are refused.
Result<size_t> SizeArgument(Budget& budget, Integer value);

}  // namespace octet::jinja
