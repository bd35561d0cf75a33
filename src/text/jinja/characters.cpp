#include "text/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace octet::jinja {
namespace {

struct Range {
  char32_t first, last;
};

struct Expansion {
  char32_t from;
  const char* upper;
  const char* title;
};

// Characters whose upper or title case has several characters (Unicode SpecialCasing, unconditional part).
constexpr Expansion kExpansions[] = {
    {0xDF, "SS", "Ss"},
    {0x149, "\312\274N", "\312\274N"},
    {0x1F0, "J\314\214", "J\314\214"},
    {0x390, "\316\231\314\210\314\201", "\316\231\314\210\314\201"},
    {0x3B0, "\316\245\314\210\314\201", "\316\245\314\210\314\201"},
    {0x587, "\324\265\325\222", "\324\265\326\202"},
    {0x1E96, "H\314\261", "H\314\261"},
    {0x1E97, "T\314\210", "T\314\210"},
    {0x1E98, "W\314\212", "W\314\212"},
    {0x1E99, "Y\314\212", "Y\314\212"},
    {0x1E9A, "A\312\276", "A\312\276"},
    {0x1F50, "\316\245\314\223", "\316\245\314\223"},
    {0x1F52, "\316\245\314\223\314\200", "\316\245\314\223\314\200"},
    {0x1F54, "\316\245\314\223\314\201", "\316\245\314\223\314\201"},
    {0x1F56, "\316\245\314\223\315\202", "\316\245\314\223\315\202"},
    {0x1F80, "\341\274\210\316\231", "\341\276\210"},
    {0x1F81, "\341\274\211\316\231", "\341\276\211"},
    {0x1F82, "\341\274\212\316\231", "\341\276\212"},
    {0x1F83, "\341\274\213\316\231", "\341\276\213"},
    {0x1F84, "\341\274\214\316\231", "\341\276\214"},
    {0x1F85, "\341\274\215\316\231", "\341\276\215"},
    {0x1F86, "\341\274\216\316\231", "\341\276\216"},
    {0x1F87, "\341\274\217\316\231", "\341\276\217"},
    {0x1F88, "\341\274\210\316\231", "\341\276\210"},
    {0x1F89, "\341\274\211\316\231", "\341\276\211"},
    {0x1F8A, "\341\274\212\316\231", "\341\276\212"},
    {0x1F8B, "\341\274\213\316\231", "\341\276\213"},
    {0x1F8C, "\341\274\214\316\231", "\341\276\214"},
    {0x1F8D, "\341\274\215\316\231", "\341\276\215"},
    {0x1F8E, "\341\274\216\316\231", "\341\276\216"},
    {0x1F8F, "\341\274\217\316\231", "\341\276\217"},
    {0x1F90, "\341\274\250\316\231", "\341\276\230"},
    {0x1F91, "\341\274\251\316\231", "\341\276\231"},
    {0x1F92, "\341\274\252\316\231", "\341\276\232"},
    {0x1F93, "\341\274\253\316\231", "\341\276\233"},
    {0x1F94, "\341\274\254\316\231", "\341\276\234"},
    {0x1F95, "\341\274\255\316\231", "\341\276\235"},
    {0x1F96, "\341\274\256\316\231", "\341\276\236"},
    {0x1F97, "\341\274\257\316\231", "\341\276\237"},
    {0x1F98, "\341\274\250\316\231", "\341\276\230"},
    {0x1F99, "\341\274\251\316\231", "\341\276\231"},
    {0x1F9A, "\341\274\252\316\231", "\341\276\232"},
    {0x1F9B, "\341\274\253\316\231", "\341\276\233"},
    {0x1F9C, "\341\274\254\316\231", "\341\276\234"},
    {0x1F9D, "\341\274\255\316\231", "\341\276\235"},
    {0x1F9E, "\341\274\256\316\231", "\341\276\236"},
    {0x1F9F, "\341\274\257\316\231", "\341\276\237"},
    {0x1FA0, "\341\275\250\316\231", "\341\276\250"},
    {0x1FA1, "\341\275\251\316\231", "\341\276\251"},
    {0x1FA2, "\341\275\252\316\231", "\341\276\252"},
    {0x1FA3, "\341\275\253\316\231", "\341\276\253"},
    {0x1FA4, "\341\275\254\316\231", "\341\276\254"},
    {0x1FA5, "\341\275\255\316\231", "\341\276\255"},
    {0x1FA6, "\341\275\256\316\231", "\341\276\256"},
    {0x1FA7, "\341\275\257\316\231", "\341\276\257"},
    {0x1FA8, "\341\275\250\316\231", "\341\276\250"},
    {0x1FA9, "\341\275\251\316\231", "\341\276\251"},
    {0x1FAA, "\341\275\252\316\231", "\341\276\252"},
    {0x1FAB, "\341\275\253\316\231", "\341\276\253"},
    {0x1FAC, "\341\275\254\316\231", "\341\276\254"},
    {0x1FAD, "\341\275\255\316\231", "\341\276\255"},
    {0x1FAE, "\341\275\256\316\231", "\341\276\256"},
    {0x1FAF, "\341\275\257\316\231", "\341\276\257"},
    {0x1FB2, "\341\276\272\316\231", "\341\276\272\315\205"},
    {0x1FB3, "\316\221\316\231", "\341\276\274"},
    {0x1FB4, "\316\206\316\231", "\316\206\315\205"},
    {0x1FB6, "\316\221\315\202", "\316\221\315\202"},
    {0x1FB7, "\316\221\315\202\316\231", "\316\221\315\202\315\205"},
    {0x1FBC, "\316\221\316\231", "\341\276\274"},
    {0x1FC2, "\341\277\212\316\231", "\341\277\212\315\205"},
    {0x1FC3, "\316\227\316\231", "\341\277\214"},
    {0x1FC4, "\316\211\316\231", "\316\211\315\205"},
    {0x1FC6, "\316\227\315\202", "\316\227\315\202"},
    {0x1FC7, "\316\227\315\202\316\231", "\316\227\315\202\315\205"},
    {0x1FCC, "\316\227\316\231", "\341\277\214"},
    {0x1FD2, "\316\231\314\210\314\200", "\316\231\314\210\314\200"},
    {0x1FD3, "\316\231\314\210\314\201", "\316\231\314\210\314\201"},
    {0x1FD6, "\316\231\315\202", "\316\231\315\202"},
    {0x1FD7, "\316\231\314\210\315\202", "\316\231\314\210\315\202"},
    {0x1FE2, "\316\245\314\210\314\200", "\316\245\314\210\314\200"},
    {0x1FE3, "\316\245\314\210\314\201", "\316\245\314\210\314\201"},
    {0x1FE4, "\316\241\314\223", "\316\241\314\223"},
    {0x1FE6, "\316\245\315\202", "\316\245\315\202"},
    {0x1FE7, "\316\245\314\210\315\202", "\316\245\314\210\315\202"},
    {0x1FF2, "\341\277\272\316\231", "\341\277\272\315\205"},
    {0x1FF3, "\316\251\316\231", "\341\277\274"},
    {0x1FF4, "\316\217\316\231", "\316\217\315\205"},
    {0x1FF6, "\316\251\315\202", "\316\251\315\202"},
    {0x1FF7, "\316\251\315\202\316\231", "\316\251\315\202\315\205"},
    {0x1FFC, "\316\251\316\231", "\341\277\274"},
    {0xFB00, "FF", "Ff"},
    {0xFB01, "FI", "Fi"},
    {0xFB02, "FL", "Fl"},
    {0xFB03, "FFI", "Ffi"},
    {0xFB04, "FFL", "Ffl"},
    {0xFB05, "ST", "St"},
    {0xFB06, "ST", "St"},
    {0xFB13, "\325\204\325\206", "\325\204\325\266"},
    {0xFB14, "\325\204\324\265", "\325\204\325\245"},
    {0xFB15, "\325\204\324\273", "\325\204\325\253"},
    {0xFB16, "\325\216\325\206", "\325\216\325\266"},
    {0xFB17, "\325\204\324\275", "\325\204\325\255"},
};

// Digits that aren't decimal: superscripts, circled digits and the like (Numeric_Type=Digit).
constexpr Range kDigits[] = {{0xB2, 0xB3},       {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},
                             {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
                             {0x2474, 0x247C},   {0x2488, 0x2490},   {0x24EA, 0x24EA},   {0x24F5, 0x24FD},
                             {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},   {0x278A, 0x2792},
                             {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};

// Lower-case characters that aren't of category Ll (Other_Lowercase), and the same for upper case.
constexpr Range kOtherLower[] = {
    {0xAA, 0xAA},     {0xBA, 0xBA},     {0x2B0, 0x2B8},     {0x2C0, 0x2C1},     {0x2E0, 0x2E4},     {0x345, 0x345},
    {0x37A, 0x37A},   {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},   {0x2071, 0x2071},   {0x207F, 0x207F},
    {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9},   {0x2C7C, 0x2C7D},   {0xA69C, 0xA69D},   {0xA770, 0xA770},
    {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}};
constexpr Range kOtherUpper[] = {
    {0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

template <size_t N>
bool Contains(const Range (&ranges)[N], char32_t character) {
  const auto found = std::upper_bound(std::begin(ranges), std::end(ranges), character,
                                      [](char32_t value, const Range& range) { return value < range.first; });
  return found != std::begin(ranges) && character <= std::prev(found)->last;
}

const Expansion* FindExpansion(char32_t character) {
  const auto found = std::lower_bound(std::begin(kExpansions), std::end(kExpansions), character,
                                      [](const Expansion& entry, char32_t value) { return entry.from < value; });
  return found != std::end(kExpansions) && found->from == character ? found : nullptr;
}

utf8proc_category_t Category(char32_t character) { return utf8proc_category(static_cast<utf8proc_int32_t>(character)); }

std::string Encode(utf8proc_int32_t character) {
  std::string text;
  AppendCharacter(text, static_cast<char32_t>(character));
  return text;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t at = 0; at < text.size();) {
    if (bytes[at] < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t character = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &character);
    if (length <= 0) return false;
    at += static_cast<size_t>(length);
  }
  return true;
}

char32_t DecodeCharacter(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t character = first & (0x3Fu >> more);
  for (int i = 0; i < more && at < text.size(); ++i) character = character << 6 | (byte(at++) & 0x3Fu);
  return character;
}

void AppendCharacter(std::string& text, char32_t character) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

size_t OffsetOfCharacter(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) {
    do ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  }
  return at;
}

size_t CharactersIn(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

bool IsSpace(char32_t character) {
  if (character < 0x80) return (character >= 9 && character <= 13) || (character >= 28 && character <= 32);
  return character == 0x85 || character == 0xA0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200A) || character == 0x2028 || character == 0x2029 ||
         character == 0x202F || character == 0x205F || character == 0x3000;
}

bool IsLineBreak(char32_t character) {
  return (character >= 10 && character <= 13) || (character >= 28 && character <= 30) || character == 0x85 ||
         character == 0x2028 || character == 0x2029;
}

bool IsAlpha(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDecimal(char32_t character) { return Category(character) == UTF8PROC_CATEGORY_ND; }
bool IsDigit(char32_t character) { return IsDecimal(character) || Contains(kDigits, character); }

bool IsNumeric(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsUpper(char32_t character) {
  return Category(character) == UTF8PROC_CATEGORY_LU || Contains(kOtherUpper, character);
}
bool IsLower(char32_t character) {
  return Category(character) == UTF8PROC_CATEGORY_LL || Contains(kOtherLower, character);
}
bool IsTitle(char32_t character) { return Category(character) == UTF8PROC_CATEGORY_LT; }

bool IsPrintable(char32_t character) {
  if (character == ' ') return true;
  const utf8proc_category_t category = Category(character);
  return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

bool IsWord(char32_t character) { return character == '_' || IsAlpha(character) || IsNumeric(character); }
bool IsIdentifierStart(char32_t character) { return character == '_' || IsAlpha(character); }

std::string UpperOf(char32_t character) {
  if (const Expansion* expansion = FindExpansion(character)) return expansion->upper;
  return Encode(utf8proc_toupper(static_cast<utf8proc_int32_t>(character)));
}

std::string LowerOf(char32_t character) {
  if (character == 0x130) return "i\314\207";
  return Encode(utf8proc_tolower(static_cast<utf8proc_int32_t>(character)));
}

std::string TitleOf(char32_t character) {
  if (const Expansion* expansion = FindExpansion(character)) return expansion->title;
  return Encode(utf8proc_totitle(static_cast<utf8proc_int32_t>(character)));
}

std::string FoldOf(char32_t character) {
  utf8proc_int32_t folded[8];
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), folded, 8, UTF8PROC_CASEFOLD, &boundary);
  std::string text;
  for (utf8proc_ssize_t i = 0; i < count; ++i) AppendCharacter(text, static_cast<char32_t>(folded[i]));
  return text;
}

}  // namespace octet::jinja
