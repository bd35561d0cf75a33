#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <span>
#include <vector>

#include "text/older_unicode.h"
#include "text/utf8.h"

namespace octet {
namespace {

uint16_t ClassOfCategory(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return kLetter | kUpperish | kWord;
    case UTF8PROC_CATEGORY_LL:
      return kLetter | kLowerish | kWord;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kLetter | kUpperish | kLowerish | kWord;
    case UTF8PROC_CATEGORY_MN:
      return kMark | kNonspacing | kUpperish | kLowerish | kWord;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMark | kUpperish | kLowerish | kWord;
    case UTF8PROC_CATEGORY_ND:
      return kNumber | kDecimal | kWord;
    case UTF8PROC_CATEGORY_NL:
      return kNumber | kWord;
    case UTF8PROC_CATEGORY_NO:
      return kNumber;
    case UTF8PROC_CATEGORY_PC:
      return kPunctuation | kWord;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return kSymbol;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return kSpace;
    case UTF8PROC_CATEGORY_CN:
      return 0;
    default:
      return kOther;
  }
}

// Circled and squared Latin letters are symbols that count as alphabetic (Other_Alphabetic).
bool IsAlphabeticSymbol(uint32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

utf8proc_option_t DecomposeOptions(NormalizationForm form) {
  const bool compatible = form == NormalizationForm::kNfkc || form == NormalizationForm::kNfkd;
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
}

// At most 18 characters come from one (U+FDFA).
constexpr int kLongestDecomposition = 32;

int Decompose(uint32_t code_point, NormalizationForm form, int32_t* to) {
  to[0] = static_cast<int32_t>(code_point);
  if (IsNewerComposite(code_point)) return 1;
  int last_boundary_class = 0;
  const auto count = utf8proc_decompose_char(static_cast<int32_t>(code_point), to, kLongestDecomposition,
                                             DecomposeOptions(form), &last_boundary_class);
  if (count >= 1 && count <= kLongestDecomposition) return static_cast<int>(count);
  to[0] = static_cast<int32_t>(code_point);
  return 1;
}

int CombiningClass(int32_t c) {
  return IsNewerMark(static_cast<uint32_t>(c)) ? 0 : utf8proc_get_property(c)->combining_class;
}

// A character that never joins what stands before it: no mark, and no vowel or final consonant of Hangul.
bool StartsSegment(uint32_t code_point, NormalizationForm form) {
  if (code_point < 0x300) return true;
  int32_t parts[kLongestDecomposition];
  Decompose(code_point, form, parts);
  const auto first = static_cast<uint32_t>(parts[0]);
  return !IsOlderMark(first) && CombiningClass(parts[0]) == 0 && !(first >= 0x1160 && first <= 0x11FF);
}

void SortMarks(std::vector<int32_t>& characters) {
  for (size_t begin = 0; begin < characters.size();) {
    if (CombiningClass(characters[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < characters.size() && CombiningClass(characters[end]) != 0) ++end;
    std::stable_sort(characters.begin() + static_cast<std::ptrdiff_t>(begin),
                     characters.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); });
    begin = end;
  }
}

void AppendComposed(std::span<int32_t> characters, bool composes, std::string& out) {
  auto count = static_cast<utf8proc_ssize_t>(characters.size());
  if (composes) {
    constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    count = utf8proc_normalize_utf32(characters.data(), count, kCompose);
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    AppendUtf8(static_cast<uint32_t>(characters[static_cast<size_t>(i)]), out);
}

}  // namespace

namespace internal {

uint16_t ComputeCharClass(uint32_t code_point) {
  uint16_t found = ClassOfCategory(utf8proc_category(static_cast<int32_t>(code_point)));
  if ((code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x85) found |= kSpace;
  if (code_point == '\r' || code_point == '\n') found |= kNewline;
  if (IsAlphabeticSymbol(code_point)) found |= kWord;
  return found;
}

CharClassTable::CharClassTable() {
  for (uint32_t c = 0; c < 0x10000; ++c) classes[c] = ComputeCharClass(c);
}

const CharClassTable& BasicPlaneClasses() {
  static const CharClassTable table;
  return table;
}

}  // namespace internal

void AppendLowercase(uint32_t code_point, std::string& out) {
  if (code_point == 0x130) {
    out += "i\xCC\x87";
  } else {
    AppendUtf8(static_cast<uint32_t>(utf8proc_tolower(static_cast<int32_t>(code_point))), out);
  }
}

bool IsSurelyNormalized(std::string_view text, NormalizationForm form) {
  // Composed forms leave everything below U+0300 alone; NFKC rewrites some of Latin-1; decomposed forms leave ASCII
  // alone.
  const uint8_t limit = form == NormalizationForm::kNfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(), [limit](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte < limit;
  });
}

size_t NormalizationSegmentEnd(std::string_view text, size_t at, NormalizationForm form) {
  at += Utf8Length(text[at]);
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (StartsSegment(c.code_point, form)) break;
    at += c.bytes;
  }
  return at;
}

void AppendNormalized(std::string_view text, NormalizationForm form, std::string& out) {
  std::vector<int32_t> characters;
  characters.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    int32_t parts[kLongestDecomposition];
    const int count = Decompose(c.code_point, form, parts);
    characters.insert(characters.end(), parts, parts + count);
    at += c.bytes;
  }
  SortMarks(characters);
  const bool composes = form == NormalizationForm::kNfc || form == NormalizationForm::kNfkc;
  for (size_t begin = 0; begin < characters.size();) {
    // A newer mark neither combines nor lets others combine over it.
    size_t end = begin + 1;
    while (end < characters.size() && !IsNewerMark(static_cast<uint32_t>(characters[end]))) ++end;
    AppendComposed(std::span(characters).subspan(begin, end - begin), composes, out);
    begin = end;
  }
}

}  // namespace octet
