// "{}".format(...) (format.h).
#include <algorithm>

#include "text/jinja/evaluator.h"
#include "text/jinja/format.h"
#include "text/jinja/literals.h"
#include "text/jinja/operations.h"
#include "text/jinja/text_form.h"

namespace octet::jinja {
namespace {

constexpr int kMaximumFieldNesting = 2;  // Python's: a specification may hold fields, those fields none

class BraceFormatter {
 public:
  BraceFormatter(Evaluator& evaluator, const Arguments& arguments) : evaluator_(evaluator), arguments_(arguments) {}

  Result<MarkedString> Run(const MarkedString& format, int nesting);

 private:
  Result<Value> Lookup(std::string_view name);
  Result<Value> First(std::string_view name);
  Result<MarkedString> Field(const MarkedString& field, int nesting);

  Evaluator& evaluator_;
  const Arguments& arguments_;
  size_t next_ = 0;
  bool automatic_ = false, manual_ = false;
};

// The argument that a field begins with: its number, its name, or the next one.
Result<Value> BraceFormatter::First(std::string_view name) {
  const auto number = ParseInteger(name, 10);
  if (!name.empty() && !number) {
    for (const auto& [key, value] : arguments_.named) {
      if (key.text() == name) return value;
    }
    return Refuse("KeyError: '", name, "'");
  }
  automatic_ = automatic_ || name.empty();
  manual_ = manual_ || !name.empty();
  if (automatic_ && manual_)
    return Refuse("cannot switch from manual field specification to automatic field numbering");
  const Integer index = name.empty() ? static_cast<Integer>(next_++) : *number;
  if (index < 0 || index >= static_cast<Integer>(arguments_.positional.size())) {
    return Refuse("Replacement index ", IntegerText(index), " out of range for positional args tuple");
  }
  return arguments_.positional[static_cast<size_t>(index)];
}

Result<Value> BraceFormatter::Lookup(std::string_view name) {
  size_t at = std::min(name.find_first_of(".["), name.size());
  Value value = OCTET_TRY(First(name.substr(0, at)));
  while (at < name.size()) {
    OCTET_TRY(evaluator_.budget().Spend(1));
    if (name[at] == '.') {
      const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
      if (end == at + 1) return Refuse("Empty attribute in format string");
      value = OCTET_TRY(evaluator_.GetAttribute(value, name.substr(at + 1, end - at - 1)));
      at = end;
    } else if (name[at] == '[') {
      const size_t end = name.find(']', at);
      if (end == std::string_view::npos) return Refuse("Missing ']' in format string");
      const std::string_view key = name.substr(at + 1, end - at - 1);
      if (key.empty()) return Refuse("Empty attribute in format string");
      const auto index = ParseInteger(key, 10);
      value = OCTET_TRY(
          evaluator_.GetItem(value, index ? Value::FromInteger(*index) : MakeText(evaluator_.budget(), key, false)));
      at = end + 1;
    } else {
      return Refuse("Only '.' or '[' may follow ']' in format field specifier");
    }
  }
  return value;
}

Result<MarkedString> BraceFormatter::Field(const MarkedString& field, int nesting) {
  const std::string_view text = field.text();
  size_t name_end = 0;
  for (bool bracket = false; name_end < text.size(); ++name_end) {
    if (text[name_end] == '[') bracket = true;
    if (text[name_end] == ']') bracket = false;
    if (!bracket && (text[name_end] == '!' || text[name_end] == ':')) break;
  }
  Value value = OCTET_TRY(Lookup(text.substr(0, name_end)));
  char conversion = 0;
  size_t at = name_end;
  if (at < text.size() && text[at] == '!') {
    if (at + 1 >= text.size() || (at + 2 < text.size() && text[at + 2] != ':'))
      return Refuse("expected ':' after conversion specifier");
    conversion = text[at + 1];
    at += 2;
  }
  MarkedString specification;
  if (at < text.size()) specification = OCTET_TRY(Run(field.Slice(at + 1, field.size()), nesting + 1));
  if (conversion != 0) {
    if (conversion != 's' && conversion != 'r' && conversion != 'a')
      return Refuse("Unknown conversion specifier ", conversion);
    MarkedString converted;
    OCTET_TRY(conversion == 's' ? AppendText(evaluator_.budget(), value, converted)
                                : AppendRepr(evaluator_.budget(), value, converted));
    value = MakeString(evaluator_.budget(), std::move(converted));
  }
  return FormatValue(evaluator_.budget(), value, specification.text());
}

Result<MarkedString> BraceFormatter::Run(const MarkedString& format, int nesting) {
  if (nesting > kMaximumFieldNesting) return Refuse("Max string recursion exceeded");
  const std::string_view text = format.text();
  MarkedString out;
  for (size_t at = 0; at < text.size();) {
    const size_t brace = std::min(text.find_first_of("{}", at), text.size());
    OCTET_TRY(evaluator_.budget().AllowBehind(out.memory(), format.MemoryOfSlice(at, brace)));
    out.AppendSlice(format, at, brace);
    if (brace == text.size()) break;
    OCTET_TRY(evaluator_.budget().Spend(1));
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      out.AppendSlice(format, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    if (text[brace] == '}') return Refuse("Single '}' encountered in format string");
    size_t end = brace + 1;
    for (int depth = 1; end < text.size(); ++end) {
      depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
      if (depth == 0) break;
    }
    if (end >= text.size())
      return Refuse(brace + 1 == text.size() ? "Single '{' encountered in format string"
                                             : "expected '}' before end of string");
    OCTET_TRY(evaluator_.budget().AllowBehind(out.memory(), 2 * format.MemoryOfSlice(brace + 1, end)));
    const MarkedString field = OCTET_TRY(Field(format.Slice(brace + 1, end), nesting));
    OCTET_TRY(evaluator_.budget().Fit(2 * (out.memory() + field.memory())));
    out.Append(field);
    at = end + 1;
  }
  return out;
}

}  // namespace

Result<Value> FormatBraces(Evaluator& evaluator, const StringObject& format, const Arguments& arguments) {
  BraceFormatter formatter(evaluator, arguments);
  return MakeString(evaluator.budget(), OCTET_TRY(formatter.Run(format.marked, 1)), format.markup);
}

}  // namespace octet::jinja
