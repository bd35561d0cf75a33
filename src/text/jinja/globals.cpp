// Functions that every template sees: range, dict, namespace, cycler, joiner, raise_exception, strftime_now
// (natives.h).
#include <clocale>
#include <ctime>

#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/objects.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

constexpr Integer kMaximumRange = 100'000;  // MAX_RANGE of jinja2's sandbox
constexpr size_t kMaximumDateFormat = 256;

Result<Value> Range(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const size_t count = arguments.positional.size();
  if (count < 1 || count > 3 || !arguments.named.empty()) return Refuse("range expected 1 to 3 arguments, got ", count);
  auto range = std::make_shared<Sequence>();
  range->type = SequenceKind::kRange;
  if (count > 1) range->range_start = OCTET_TRY(IntegerArgument(arguments.positional[0], 0));
  range->range_stop = OCTET_TRY(IntegerArgument(arguments.positional[count > 1 ? 1 : 0], 0));
  if (count > 2) range->range_step = OCTET_TRY(IntegerArgument(arguments.positional[2], 1));
  const Integer start = range->range_start, stop = range->range_stop, step = range->range_step;
  if (step == 0) return Refuse("range() arg 3 must not be zero");
  constexpr Integer kFar = Integer{1} << 100;
  if (start > kFar || start < -kFar || stop > kFar || stop < -kFar || step > kFar || step < -kFar)
    return Refuse("Range too big.");
  const Integer span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
  const Integer items = span <= 0 ? 0 : (span + stride - 1) / stride;
  if (items > kMaximumRange) {
    return Refuse("Range too big. The sandbox blocks ranges larger than MAX_RANGE (", IntegerText(kMaximumRange), ").");
  }
  OCTET_TRY(evaluator.budget().Allow(static_cast<size_t>(items) * sizeof(Value)));
  range->items.reserve(static_cast<size_t>(items));
  for (Integer i = 0; i < items; ++i) range->items.push_back(Value::FromInteger(start + i * step));
  return FinishSequence(evaluator.budget(), std::move(range));
}

// dict(mapping or pairs, name=value ...)
Result<std::shared_ptr<Dict>> CollectDict(Evaluator& evaluator, Arguments& arguments) {
  auto dict = std::make_shared<Dict>();
  if (arguments.positional.size() > 1)
    return Refuse("dict expected at most 1 argument, got ", arguments.positional.size());
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.Is(Kind::kDict)) {
      OCTET_TRY(evaluator.budget().Allow(from.dict().entries.size() * 2 * sizeof(Value)));
      for (const auto& [key, value] : from.dict().entries) {
        OCTET_TRY(evaluator.budget().SpendBytes(KeyBytes(key)));
        dict->Insert(key, value);
      }
    } else {
      for (const Value& pair : OCTET_TRY(Iterate(evaluator.budget(), from))) {
        const std::vector<Value> parts = OCTET_TRY(Iterate(evaluator.budget(), pair));
        if (parts.size() != 2)
          return Refuse("dictionary update sequence element has length ", parts.size(), "; 2 is required");
        if (!IsHashable(parts[0])) return Refuse("unhashable type: '", TypeName(parts[0]), "'");
        OCTET_TRY(evaluator.budget().SpendBytes(KeyBytes(parts[0])));
        dict->Insert(parts[0], parts[1]);
      }
    }
  }
  for (auto& [name, value] : arguments.named)
    dict->Insert(MakeString(evaluator.budget(), std::move(name)), std::move(value));
  return dict;
}

Result<Value> MakeDict(Evaluator& evaluator, const Value&, Arguments& arguments) {
  return FinishDict(evaluator.budget(), OCTET_TRY(CollectDict(evaluator, arguments)));
}

Result<Value> FromKeys(Evaluator& evaluator, const Value&, Bound& arguments) {
  auto dict = std::make_shared<Dict>();
  for (const Value& key : OCTET_TRY(Iterate(evaluator.budget(), arguments[0]))) {
    if (!IsHashable(key)) return Refuse("unhashable type: '", TypeName(key), "'");
    OCTET_TRY(evaluator.budget().SpendBytes(KeyBytes(key)));
    dict->Insert(key, arguments[1].missing() ? Value::None() : arguments[1]);
  }
  return FinishDict(evaluator.budget(), std::move(dict));
}

Result<Value> MakeNamespace(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const std::shared_ptr<Dict> attributes = OCTET_TRY(CollectDict(evaluator, arguments));
  auto space = std::make_shared<Namespace>();
  space->Charge(&evaluator.budget(), sizeof(Namespace) + 64);
  for (auto& [key, value] : attributes->entries) {
    if (!key.Is(Kind::kString)) continue;  // no template could name it
    OCTET_TRY(space->Set(evaluator.budget(), key.string().text(), std::move(value)));
  }
  evaluator.Keep(space);
  return Value(Kind::kObject, std::move(space));
}

Result<Value> MakeCycler(Evaluator& evaluator, const Value&, Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) return Refuse("at least one item has to be provided");
  const Value items = OCTET_TRY(MakeSequence(evaluator.budget(), SequenceKind::kTuple, arguments.positional));
  return MakeObject<Cycler>(evaluator.budget(), items, std::move(arguments.positional));
}

Result<Value> MakeJoiner(Evaluator& evaluator, const Value&, Bound& arguments) {
  const Value separator = arguments[0].missing() ? MakeConstantString(", ") : arguments[0];
  return MakeObject<Joiner>(evaluator.budget(), separator, separator);
}

Result<Value> RaiseException(Evaluator& evaluator, const Value&, Bound& arguments) {
  return Refuse(OCTET_TRY(TextOf(evaluator.budget(), arguments[0])).text());
}

// One directive in the C locale: a template prints the same text wherever it runs.
std::string FormatDate(const std::string& directive, const std::tm& when) {
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  char text[512];
  const size_t size = strftime_l(text, sizeof text, directive.c_str(), &when, c_locale);
  return std::string(text, size);
}

Result<Value> StrftimeNow(Evaluator& evaluator, const Value&, Bound& arguments) {
  const MarkedString& marked = OCTET_TRY(StringArgument(arguments[0]))->marked;
  const std::string_view format = marked.text();
  if (format.size() > kMaximumDateFormat)
    return Refuse("a date format has at most ", kMaximumDateFormat, " bytes, got ", format.size());
  MarkedString text;
  for (size_t i = 0; i < format.size(); ++i) {
    const bool trusted = marked.TrustedAt(i);
    if (format[i] != '%' || i + 1 == format.size()) {
      text.AppendSlice(marked, i, i + 1);
      continue;
    }
    size_t size = 2;
    if (format[i + 1] == '-' && i + 2 < format.size()) size = 3;  // without padding, as in %-d
    const std::string directive(format.substr(i, size));
    const char letter = directive.back();
    // The time has no zone, and no fraction of a second.
    if (letter == 'f') text.Append("000000", trusted);
    if (letter != 'f' && letter != 'z' && letter != 'Z') text.Append(FormatDate(directive, evaluator.now()), trusted);
    i += size - 1;
  }
  return MakeString(evaluator.budget(), std::move(text));
}

constexpr Native kGlobals[] = {
    {"range", "", nullptr, Range},
    {"dict", "", nullptr, MakeDict},
    {"dict.fromkeys", "/ iterable value?", FromKeys},
    {"namespace", "", nullptr, MakeNamespace},
    {"cycler", "", nullptr, MakeCycler},
    {"joiner", "sep?", MakeJoiner},
    {"raise_exception", "message", RaiseException},
    {"strftime_now", "format", StrftimeNow},
};

}  // namespace

std::span<const Native> GlobalTable() { return kGlobals; }

}  // namespace octet::jinja
