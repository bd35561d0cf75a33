#include "text/jinja/text_form.h"

#include <array>
#include <charconv>
#include <cmath>

#include "text/jinja/characters.h"
#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

std::string EscapeOf(char32_t character) {
  const auto code = static_cast<unsigned>(character);
  if (character == '\n') return "\\n";
  if (character == '\r') return "\\r";
  if (character == '\t') return "\\t";
  const int digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  std::string text = digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
  for (int i = digits - 1; i >= 0; --i) text.push_back("0123456789abcdef"[code >> (4 * i) & 15]);
  return text;
}

Status AppendQuoted(Budget& budget, const StringObject& string, MarkedString& out) {
  const MarkedString& marked = string.marked;
  OCTET_TRY(budget.AllowBehind(out.memory(), marked.MemoryOf(1) + 16));
  OCTET_TRY(budget.SpendCharacters(marked.size()));
  const std::string_view text = string.text();
  const bool doubled = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = doubled ? '"' : '\'';
  if (string.markup) out.Append("Markup(", false);
  out.Append(std::string_view(&quote, 1), false);
  size_t kept = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text, at);
    const bool quoted = character == static_cast<char32_t>(quote) || character == '\\';
    if (!quoted && IsPrintable(character)) continue;
    // Up to four bytes for one, or a mark of its own, and a step.
    OCTET_TRY(budget.AllowBehind(out.memory(), marked.MemoryOfSlice(kept, begin)));
    out.AppendSlice(marked, kept, begin);
    if (quoted) {
      out.Append("\\", false);
    } else {
      out.Append(EscapeOf(character), marked.TrustedAt(begin));
    }
    kept = quoted ? begin : at;
  }
  OCTET_TRY(budget.AllowBehind(out.memory(), marked.MemoryOfSlice(kept, text.size())));
  out.AppendSlice(marked, kept, text.size());
  out.Append(std::string_view(&quote, 1), false);
  if (string.markup) out.Append(")", false);
  return {};
}

Status AppendItems(Budget& budget, const std::vector<Value>& items, std::string_view open, std::string_view close,
                   MarkedString& out) {
  out.Append(open, false);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.Append(", ", false);
    OCTET_TRY(AppendRepr(budget, items[i], out));
  }
  out.Append(close, false);
  return {};
}

Status AppendSequence(Budget& budget, const Sequence& sequence, MarkedString& out) {
  switch (sequence.type) {
    case SequenceKind::kList:
      return AppendItems(budget, sequence.items, "[", "]", out);
    case SequenceKind::kTuple:
      return AppendItems(budget, sequence.items, "(", sequence.items.size() == 1 ? ",)" : ")", out);
    case SequenceKind::kKeys:
      return AppendItems(budget, sequence.items, "dict_keys([", "])", out);
    case SequenceKind::kValues:
      return AppendItems(budget, sequence.items, "dict_values([", "])", out);
    case SequenceKind::kItems:
      return AppendItems(budget, sequence.items, "dict_items([", "])", out);
    case SequenceKind::kIterator:
      out.Append("<generator object>", false);
      return {};
    case SequenceKind::kRange:
      break;
  }
  std::string text = Cat("range(", IntegerText(sequence.range_start), ", ", IntegerText(sequence.range_stop));
  if (sequence.range_step != 1) text += Cat(", ", IntegerText(sequence.range_step));
  out.Append(text + ")", false);
  return {};
}

Status AppendDict(Budget& budget, const Dict& dict, MarkedString& out) {
  out.Append("{", false);
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) out.Append(", ", false);
    first = false;
    OCTET_TRY(AppendRepr(budget, key, out));
    out.Append(": ", false);
    OCTET_TRY(AppendRepr(budget, value, out));
  }
  out.Append("}", false);
  return {};
}

std::string_view EntityOf(char byte) {
  switch (byte) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\'':
      return "&#39;";
    case '"':
      return "&#34;";
    default:
      return "";
  }
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};  // with a zero behind the exponent, which atoi reads up to
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const int exponent = std::atoi(text.data() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed).ptr;
  std::string fixed(buffer.data(), end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

Status AppendRepr(Budget& budget, const Value& value, MarkedString& out) {
  OCTET_TRY(budget.AllowBehind(out.memory(), 0));
  switch (value.kind()) {
    case Kind::kString:
      return AppendQuoted(budget, value.string(), out);
    case Kind::kUndefined:
      out.Append("Undefined", false);
      return {};
    case Kind::kSequence:
      return AppendSequence(budget, value.sequence(), out);
    case Kind::kDict:
      return AppendDict(budget, value.dict(), out);
    case Kind::kObject:
      out.Append(value.object().Text(), false);
      return {};
    default: {
      MarkedString number;
      OCTET_TRY(AppendText(budget, value, number));
      out.Append(number.text(), false);
      return {};
    }
  }
}

Status AppendText(Budget& budget, const Value& value, MarkedString& out) {
  OCTET_TRY(budget.Spend(1));
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return {};
    case Kind::kNone:
      out.Append("None", value.trusted());
      return {};
    case Kind::kBool:
      out.Append(value.boolean() ? "True" : "False", value.trusted());
      return {};
    case Kind::kInteger:
      out.Append(IntegerText(value.integer()), value.trusted());
      return {};
    case Kind::kFloat:
      out.Append(FloatText(value.real()), value.trusted());
      return {};
    case Kind::kString:
      OCTET_TRY(budget.AllowBehind(out.memory(), value.string().marked.MemoryOf(1)));
      out.Append(value.string().marked);
      return {};
    default:
      return AppendRepr(budget, value, out);
  }
}

Result<MarkedString> TextOf(Budget& budget, const Value& value) {
  MarkedString text;
  OCTET_TRY(AppendText(budget, value, text));
  return text;
}

MarkedString EscapeHtml(const MarkedString& text) {
  size_t size = text.size();
  for (const char byte : text.text()) size += EntityOf(byte).empty() ? 0 : EntityOf(byte).size() - 1;
  MarkedString escaped;
  escaped.Reserve(size, text.runs());
  size_t kept = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view entity = EntityOf(text.text()[i]);
    if (entity.empty()) continue;
    escaped.AppendSlice(text, kept, i);
    escaped.Append(entity, text.TrustedAt(i));
    kept = i + 1;
  }
  escaped.AppendSlice(text, kept, text.size());
  return escaped;
}

}  // namespace octet::jinja
