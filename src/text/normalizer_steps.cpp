#include "text/normalizer_steps.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/byte_level.h"
#include "text/older_unicode.h"
#include "text/utf8.h"

namespace octet {
namespace {

size_t GraphemeEnd(std::string_view text, size_t at) {
  Utf8Char c = DecodeUtf8(text, at);
  utf8proc_int32_t state = 0;
  for (;;) {
    at += c.bytes;
    if (at >= text.size()) return at;
    const Utf8Char next = DecodeUtf8(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<int32_t>(c.code_point), static_cast<int32_t>(next.code_point),
                                         &state))
      return at;
    c = next;
  }
}

bool IsChinese(uint32_t c) {
  // The third range begins at 0x2B920 in Hugging Face's normalizer, and models were trained with it.
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

}  // namespace

void MarkedText::Append(std::string_view bytes, const MarkedText& source, size_t begin, size_t end) {
  text += bytes;
  if (!source.marked()) return;
  const std::string_view marks = std::string_view(source.trust).substr(begin, end - begin);
  trust.append(bytes.size(), marks.find('\0') == std::string_view::npos ? '\1' : '\0');
}

void UnicodeFormStep::Apply(MarkedText& text) const {
  if (IsSurelyNormalized(text.text, form_)) return;
  MarkedText out;
  out.text.reserve(text.text.size() + text.text.size() / 8);
  std::string piece;
  for (size_t at = 0; at < text.text.size();) {
    const size_t end = NormalizationSegmentEnd(text.text, at, form_);
    const std::string_view segment = std::string_view(text.text).substr(at, end - at);
    if (IsSurelyNormalized(segment, form_)) {
      out.Append(segment, text, at, end);
    } else {
      piece.clear();
      AppendNormalized(segment, form_, piece);
      out.Append(piece, text, at, end);
    }
    at = end;
  }
  text = std::move(out);
}

void CharacterStep::Apply(MarkedText& text) const {
  MarkedText out;
  out.text.reserve(text.text.size());
  std::string piece;
  for (size_t at = 0; at < text.text.size();) {
    const Utf8Char c = DecodeUtf8(text.text, at);
    piece.clear();
    change_(c.code_point, piece);
    out.Append(piece, text, at, at + c.bytes);
    at += c.bytes;
  }
  text = std::move(out);
}

void StripStep::Apply(MarkedText& text) const {
  size_t begin = 0, end = text.text.size();
  while (left_ && begin < end && IsSpaceAt(text.text, begin)) begin += Utf8Length(text.text[begin]);
  while (right_ && end > begin && IsSpaceAt(text.text, PreviousUtf8(text.text, end)))
    end = PreviousUtf8(text.text, end);
  text.text = text.text.substr(begin, end - begin);
  if (text.marked()) text.trust = text.trust.substr(begin, end - begin);
}

void ReplaceStep::Apply(MarkedText& text) const {
  MarkedText out;
  size_t done = 0;
  const std::string_view source = text.text;
  const auto copy = [&](size_t end) {
    out.text += source.substr(done, end - done);
    if (text.marked()) out.trust += text.trust.substr(done, end - done);
  };
  const auto replace = [&](size_t begin, size_t end) {
    copy(begin);
    out.Append(content_, text, begin, end);
    done = end;
  };
  if (literal_.empty()) {
    pattern_.ForEachMatch(source, replace);
  } else {
    for (size_t at = source.find(literal_); at != std::string_view::npos; at = source.find(literal_, done))
      replace(at, at + literal_.size());
  }
  if (done == 0 && out.text.empty()) return;
  copy(source.size());
  text = std::move(out);
}

void PrependStep::Apply(MarkedText& text) const {
  if (text.text.empty()) return;
  text.text.insert(0, content_);
  if (text.marked()) text.trust.insert(0, content_.size(), text.trust.front());
}

void CharsmapStep::Apply(MarkedText& text) const {
  constexpr size_t kLongestWholeGrapheme = 5;  // longer ones are looked up character by character
  MarkedText out;
  out.text.reserve(text.text.size());
  const std::string_view source = text.text;
  for (size_t at = 0; at < source.size();) {
    const size_t end = GraphemeEnd(source, at);
    if (end - at <= kLongestWholeGrapheme) {
      if (const auto found = map_.Find(source.substr(at, end - at))) {
        out.Append(*found, text, at, end);
        at = end;
        continue;
      }
    }
    while (at < end) {
      const std::string_view character = source.substr(at, Utf8Length(source[at]));
      out.Append(map_.Find(character).value_or(character), text, at, at + character.size());
      at += character.size();
    }
  }
  text = std::move(out);
}

void LowercaseChar(uint32_t code_point, std::string& out) { AppendLowercase(code_point, out); }

void CleanBertChar(uint32_t code_point, std::string& out) {
  const bool is_blank = code_point == '\t' || code_point == '\n' || code_point == '\r';
  if (!is_blank && (code_point == 0 || code_point == 0xFFFD || IsOlderFormat(code_point))) return;
  if (is_blank || (CharClassOf(code_point) & kSpace) != 0)
    out += ' ';
  else
    AppendUtf8(code_point, out);
}

void SpaceChineseChar(uint32_t code_point, std::string& out) {
  const bool chinese = IsChinese(code_point);
  if (chinese) out += ' ';
  AppendUtf8(code_point, out);
  if (chinese) out += ' ';
}

void DropNonspacing(uint32_t code_point, std::string& out) {
  if (!IsOlderNonspacing(code_point)) AppendUtf8(code_point, out);
}

void DropMark(uint32_t code_point, std::string& out) {
  if (!IsOlderMark(code_point)) AppendUtf8(code_point, out);
}

void CleanNmtChar(uint32_t c, std::string& out) {
  const bool dropped =
      (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  if (dropped) return;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  AppendUtf8(space ? ' ' : c, out);
}

void SpellChar(uint32_t code_point, std::string& out) {
  std::string bytes;
  AppendUtf8(code_point, bytes);
  AppendByteLevel(bytes, out);
}

}  // namespace octet
