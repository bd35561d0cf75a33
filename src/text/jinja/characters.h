// Characters (code points) of UTF-8 text, with the properties that Python's string methods ask for.
//
//   for (size_t at = 0; at < text.size();) { char32_t character = DecodeCharacter(text, at); ... }   // moves `at`
//
// Text is valid UTF-8 throughout (IsUtf8 checks at the border). Properties come from utf8proc; the few where Python's
// definition differs from a general category are tables in the .cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace octet::jinja {

bool IsUtf8(std::string_view text);
// The character at `at`, which moves behind it. Requires at < text.size().
char32_t DecodeCharacter(std::string_view text, size_t& at);
void AppendCharacter(std::string& text, char32_t character);
// Byte offset of the character with the index, or text.size() where there are fewer.
size_t OffsetOfCharacter(std::string_view text, size_t index);
size_t CharactersIn(std::string_view text);

bool IsSpace(char32_t character);      // str.isspace, what strip() removes
bool IsLineBreak(char32_t character);  // what str.splitlines splits at
bool IsAlpha(char32_t character);
bool IsDecimal(char32_t character);
bool IsDigit(char32_t character);
bool IsNumeric(char32_t character);
bool IsUpper(char32_t character);
bool IsLower(char32_t character);
bool IsTitle(char32_t character);
bool IsPrintable(char32_t character);
bool IsWord(char32_t character);             // \w of regular expressions
bool IsIdentifierStart(char32_t character);  // _ or a letter

// Full case mappings: one character may become three.
std::string UpperOf(char32_t character);
std::string LowerOf(char32_t character);
std::string TitleOf(char32_t character);
std::string FoldOf(char32_t character);

}  // namespace octet::jinja
