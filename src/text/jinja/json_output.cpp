#include "text/jinja/json_output.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/characters.h"
#include "text/jinja/operations.h"
#include "text/jinja/text_form.h"

namespace octet::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style, MarkedString& out) : budget_(budget), style_(style), out_(out) {}

  Status Write(const Value& value);

 private:
  Status WriteText(const MarkedString& text);
  Status WriteList(const std::vector<Value>& items);
  Status WriteDict(const Dict& dict);
  Result<Value> KeyText(const Value& key);
  void Add(std::string_view text) { out_.Append(text, false); }
  void BreakLine() {
    if (!style_.indent) return;
    Add("\n");
    for (size_t i = 0; i < level_; ++i) Add(*style_.indent);
  }
  void EscapeCharacter(char32_t character, bool trusted);

  Budget& budget_;
  const JsonStyle& style_;
  MarkedString& out_;
  size_t level_ = 0;
};

std::string NumberText(const Value& value) {
  if (value.Is(Kind::kInteger)) return IntegerText(value.integer());
  if (std::isnan(value.real())) return "NaN";
  if (std::isinf(value.real())) return value.real() < 0 ? "-Infinity" : "Infinity";
  return FloatText(value.real());
}

void JsonWriter::EscapeCharacter(char32_t character, bool trusted) {
  const auto code = static_cast<unsigned>(character);
  char text[16];
  switch (character) {
    case '"':
      out_.Append("\\\"", trusted);
      return;
    case '\\':
      out_.Append("\\\\", trusted);
      return;
    case '\n':
      out_.Append("\\n", trusted);
      return;
    case '\r':
      out_.Append("\\r", trusted);
      return;
    case '\t':
      out_.Append("\\t", trusted);
      return;
    case '\b':
      out_.Append("\\b", trusted);
      return;
    case '\f':
      out_.Append("\\f", trusted);
      return;
    default:
      break;
  }
  if (code >= 0x10000) {
    std::snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                  0xDC00 + ((code - 0x10000) & 0x3FF));
  } else {
    std::snprintf(text, sizeof text, "\\u%04x", code);
  }
  out_.Append(text, trusted);
}

Status JsonWriter::WriteText(const MarkedString& marked) {
  OCTET_TRY(budget_.AllowBehind(out_.memory(), marked.MemoryOf(1)));
  OCTET_TRY(style_.ascii ? budget_.SpendCharacters(marked.size()) : budget_.SpendSearch(marked.size()));
  Add("\"");
  const std::string_view text = marked.text();
  size_t kept = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = DecodeCharacter(text, at);
    if (character >= 0x20 && character != '"' && character != '\\' && !(style_.ascii && character > 0x7F)) continue;
    // An escape takes up to six times the bytes, and a step.
    OCTET_TRY(budget_.AllowBehind(out_.memory(), marked.MemoryOfSlice(kept, begin)));
    out_.AppendSlice(marked, kept, begin);
    EscapeCharacter(character, marked.TrustedAt(begin));
    kept = at;
  }
  OCTET_TRY(budget_.AllowBehind(out_.memory(), marked.MemoryOfSlice(kept, text.size())));
  out_.AppendSlice(marked, kept, text.size());
  Add("\"");
  return {};
}

Status JsonWriter::WriteList(const std::vector<Value>& items) {
  if (items.empty()) return Add("[]"), Status();
  Add("[");
  ++level_;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) Add(style_.item_separator);
    BreakLine();
    OCTET_TRY(Write(items[i]));
  }
  --level_;
  BreakLine();
  Add("]");
  return {};
}

// JSON's keys are strings: numbers, true, false and none become theirs.
Result<Value> JsonWriter::KeyText(const Value& key) {
  switch (key.kind()) {
    case Kind::kString:
      return key;
    case Kind::kBool:
      return MakeText(budget_, key.boolean() ? "true" : "false", false);
    case Kind::kNone:
      return MakeText(budget_, "null", false);
    case Kind::kInteger:
    case Kind::kFloat:
      return MakeText(budget_, NumberText(key), false);
    default:
      return Refuse("keys must be str, int, float, bool or None, not ", TypeName(key));
  }
}

Status JsonWriter::WriteDict(const Dict& dict) {
  if (dict.entries.empty()) return Add("{}"), Status();
  std::vector<const std::pair<Value, Value>*> entries;
  for (const auto& entry : dict.entries) entries.push_back(&entry);
  if (style_.sort_keys) {
    Status failure;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      const Result<bool> less = Less(budget_, a->first, b->first);
      if (!less && failure) failure = tl::unexpected<Error>(less.error());
      return less.value_or(false);
    });
    OCTET_TRY(std::move(failure));
  }
  Add("{");
  ++level_;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) Add(style_.item_separator);
    BreakLine();
    const Value key = OCTET_TRY(KeyText(entries[i]->first));
    OCTET_TRY(WriteText(key.string().marked));
    Add(style_.key_separator);
    OCTET_TRY(Write(entries[i]->second));
  }
  --level_;
  BreakLine();
  Add("}");
  return {};
}

Status JsonWriter::Write(const Value& value) {
  OCTET_TRY(budget_.Spend(1 + level_ * (1 + style_.indent.value_or("").size() / 64)));
  OCTET_TRY(budget_.Fit(2 * out_.memory()));
  switch (value.kind()) {
    case Kind::kNone:
      return Add("null"), Status();
    case Kind::kBool:
      return Add(value.boolean() ? "true" : "false"), Status();
    case Kind::kInteger:
    case Kind::kFloat:
      return Add(NumberText(value)), Status();
    case Kind::kString:
      return WriteText(value.string().marked);
    case Kind::kDict:
      return WriteDict(value.dict());
    case Kind::kSequence:
      if (value.sequence().type <= SequenceKind::kTuple) return WriteList(value.sequence().items);
      [[fallthrough]];
    default:
      return Refuse("Object of type ", TypeName(value), " is not JSON serializable");
  }
}

}  // namespace

Status AppendJson(Budget& budget, const Value& value, const JsonStyle& style, MarkedString& out) {
  return JsonWriter(budget, style, out).Write(value);
}

}  // namespace octet::jinja
