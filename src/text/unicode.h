// What tokenizers ask about a character: its class, its case, its decomposition.
//
//   if (CharClassOf(c) & (kLetter | kMark)) ...
//
// Tables are those of utf8proc; white space is the Unicode property of that name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace octet {

enum CharClass : uint16_t {
  kLetter = 1 << 0,
  kNumber = 1 << 1,
  kSpace = 1 << 2,
  kMark = 1 << 3,
  kPunctuation = 1 << 4,
  kSymbol = 1 << 5,
  kUpperish = 1 << 6,    // Lu Lt Lm Lo M: what a word in capitals is made of
  kLowerish = 1 << 7,    // Ll Lm Lo M
  kNewline = 1 << 8,     // CR and LF alone
  kNonspacing = 1 << 9,  // Mn
  kOther = 1 << 10,      // Cc Cf Co Cs
  kWord = 1 << 11,       // \w of Unicode regular expressions
  kDecimal = 1 << 12,    // Nd
};

namespace internal {
struct CharClassTable {
  CharClassTable();
  uint16_t classes[0x10000];
};
extern const CharClassTable& BasicPlaneClasses();
uint16_t ComputeCharClass(uint32_t code_point);
}  // namespace internal

// Looks characters up; make one outside a loop.
class CharClasses {
 public:
  CharClasses() : table_(internal::BasicPlaneClasses().classes) {}
  uint16_t operator()(uint32_t code_point) const {
    return code_point < 0x10000 ? table_[code_point] : internal::ComputeCharClass(code_point);
  }

 private:
  const uint16_t* table_;
};

inline uint16_t CharClassOf(uint32_t code_point) { return CharClasses()(code_point); }

// Of the character that begins at a byte of valid UTF-8.
inline bool IsSpaceAt(std::string_view text, size_t at) {
  return (CharClassOf(DecodeUtf8(text, at).code_point) & kSpace) != 0;
}

inline bool IsAsciiPunctuation(uint32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
}

// Lower case of one character, one or two characters long (U+0130).
void AppendLowercase(uint32_t code_point, std::string& out);

enum class NormalizationForm { kNfc, kNfd, kNfkc, kNfkd };

// Whether no character of the text can change under the form, by a quick look that may say no too often.
bool IsSurelyNormalized(std::string_view text, NormalizationForm form);

// The first stretch of text[at..] that normalizes by itself: a starter and what may combine with it. Requires at <
// size.
size_t NormalizationSegmentEnd(std::string_view text, size_t at, NormalizationForm form);

// Appends the normal form of one or more whole segments. Work is linear but for sorting the marks of a segment.
void AppendNormalized(std::string_view text, NormalizationForm form, std::string& out);

}  // namespace octet
