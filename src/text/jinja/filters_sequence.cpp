// Filters on sequences and mappings that look at items as they are (natives.h).
#include <algorithm>

#include "text/jinja/attributes.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/natives.h"
#include "text/jinja/text_form.h"
#include "text/jinja/text_tools.h"

namespace octet::jinja {
namespace {

Result<Value> Generator(Evaluator& evaluator, std::vector<Value> items) {
  return MakeSequence(evaluator.budget(), SequenceKind::kIterator, std::move(items));
}

Result<Value> List(Evaluator& evaluator, std::vector<Value> items) {
  return MakeSequence(evaluator.budget(), SequenceKind::kList, std::move(items));
}

Result<Value> Length(Evaluator&, const Value& subject, Bound&) {
  return Value::FromInteger(static_cast<Integer>(OCTET_TRY(LengthOf(subject))));
}

Result<Value> Default(Evaluator&, const Value& subject, Bound& arguments) {
  const bool replace = subject.Is(Kind::kUndefined) || (BoolArgument(arguments[1], false) && !IsTrue(subject));
  if (!replace) return subject;
  return arguments[0].missing() ? MakeConstantString("") : arguments[0];
}

Result<Value> First(Evaluator& evaluator, const Value& subject, Bound&) {
  if (subject.Is(Kind::kSequence) && subject.sequence().type == SequenceKind::kIterator) {
    const Sequence& sequence = subject.sequence();
    if (sequence.consumed < sequence.items.size()) return sequence.items[sequence.consumed++];
  }
  const std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject));
  return items.empty() ? Value::Undefined("No first item, sequence was empty.") : items.front();
}

Result<Value> Last(Evaluator& evaluator, const Value& subject, Bound&) {
  if (subject.Is(Kind::kSequence) && subject.sequence().type == SequenceKind::kIterator) {
    return Refuse("'generator' object is not reversible");
  }
  const std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject));
  return items.empty() ? Value::Undefined("No last item, sequence was empty.") : items.back();
}

Result<Value> Join(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const bool by_attribute = !arguments[1].missing() && !arguments[1].Is(Kind::kNone);
  const MarkedString separator = arguments[0].missing() ? MarkedString() : OCTET_TRY(TextOf(budget, arguments[0]));
  MarkedString text;
  bool first = true;
  for (const Value& item : OCTET_TRY(Iterate(budget, subject))) {
    OCTET_TRY(budget.AllowBehind(text.memory(), separator.memory()));
    if (!first) text.Append(separator);
    first = false;
    const Value part = by_attribute ? OCTET_TRY(AttributeOf(evaluator, item, arguments[1])) : item;
    OCTET_TRY(AppendText(budget, part, text));
  }
  return MakeString(budget, std::move(text));
}

Result<Value> ToList(Evaluator& evaluator, const Value& subject, Bound&) {
  return List(evaluator, OCTET_TRY(Iterate(evaluator.budget(), subject)));
}

Result<Value> Items(Evaluator& evaluator, const Value& subject, Bound&) {
  if (subject.Is(Kind::kUndefined)) return Generator(evaluator, {});
  auto generator = std::make_shared<Sequence>();
  generator->type = SequenceKind::kIterator;
  if (!subject.Is(Kind::kDict)) {
    generator->failure = Error{ErrorCode::kInvalidArgument, "Can only get item pairs from a mapping."};
    return FinishSequence(evaluator.budget(), std::move(generator));
  }
  for (const auto& [key, value] : subject.dict().entries) {
    OCTET_TRY(evaluator.budget().Spend(1));
    generator->items.push_back(OCTET_TRY(MakeSequence(evaluator.budget(), SequenceKind::kTuple, {key, value})));
  }
  return FinishSequence(evaluator.budget(), std::move(generator));
}

Result<Value> Reverse(Evaluator& evaluator, const Value& subject, Bound&) {
  if (subject.Is(Kind::kString)) {
    return SliceOf(evaluator.budget(), subject, Value(), Value(), Value::FromInteger(-1));
  }
  const bool generator = subject.Is(Kind::kSequence) && subject.sequence().type == SequenceKind::kIterator;
  if (!generator && !subject.Is(Kind::kSequence) && !subject.Is(Kind::kDict) && !subject.Is(Kind::kUndefined)) {
    return Refuse("argument must be iterable");
  }
  std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject));
  std::reverse(items.begin(), items.end());
  // Python copies what has no reversed() into a list and yields an iterator over the rest.
  return generator ? List(evaluator, std::move(items)) : Generator(evaluator, std::move(items));
}

Result<Value> Batch(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const Integer size = OCTET_TRY(IntegerArgument(arguments[0], 0));
  const bool fill = !arguments[1].missing() && !arguments[1].Is(Kind::kNone);
  std::vector<Value> items = OCTET_TRY(Iterate(evaluator.budget(), subject)), batches, batch;
  for (Value& item : items) {
    OCTET_TRY(evaluator.budget().Fit((items.size() + batches.capacity()) * sizeof(Value)));
    if (static_cast<Integer>(batch.size()) == size)
      batches.push_back(OCTET_TRY(List(evaluator, std::exchange(batch, {}))));
    batch.push_back(std::move(item));
  }
  if (!batch.empty()) {
    if (fill && static_cast<Integer>(batch.size()) < size) {
      const size_t filled = OCTET_TRY(SizeArgument(evaluator.budget(), size));
      OCTET_TRY(evaluator.budget().Allow(filled * sizeof(Value)));
      batch.resize(filled, arguments[1]);
    }
    batches.push_back(OCTET_TRY(List(evaluator, std::move(batch))));
  }
  return Generator(evaluator, std::move(batches));
}

Result<Value> SliceInto(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  Budget& budget = evaluator.budget();
  const std::vector<Value> items = OCTET_TRY(Iterate(budget, subject));
  const Integer count = OCTET_TRY(IntegerArgument(arguments[0], 0));
  if (count == 0) return Refuse("integer division or modulo by zero");
  const size_t slices = OCTET_TRY(SizeArgument(budget, count));
  OCTET_TRY(budget.Allow(slices * (sizeof(Value) + kSequenceBytes)));
  const bool fill = !arguments[1].missing() && !arguments[1].Is(Kind::kNone);
  std::vector<Value> out;
  auto next = items.begin();
  for (size_t i = 0; i < slices; ++i) {
    const bool extra = i < items.size() % slices;
    const auto end = next + static_cast<std::ptrdiff_t>(items.size() / slices + (extra ? 1 : 0));
    std::vector<Value> part(next, end);
    next = end;
    if (fill && !extra) part.push_back(arguments[1]);
    out.push_back(OCTET_TRY(List(evaluator, std::move(part))));
  }
  return Generator(evaluator, std::move(out));
}

Result<Value> Sum(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const bool by_attribute = !arguments[0].missing() && !arguments[0].Is(Kind::kNone);
  Value sum = arguments[1].missing() ? Value::FromInteger(0) : arguments[1];
  if (sum.Is(Kind::kString)) return Refuse("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : OCTET_TRY(Iterate(evaluator.budget(), subject))) {
    const Value part = by_attribute ? OCTET_TRY(AttributeOf(evaluator, item, arguments[0])) : item;
    sum = OCTET_TRY(Arithmetic(evaluator.budget(), Operator::kAdd, sum, part));
  }
  return sum;
}

// foo|attr("bar") is foo.bar without a look into the items of a dict.
Result<Value> Attr(Evaluator& evaluator, const Value& subject, Bound& arguments) {
  const std::string_view name = OCTET_TRY(StringArgument(arguments[0]))->text();
  if (subject.Is(Kind::kDict) && FindMethod(subject, name) == nullptr) {
    return Value::Undefined(Cat("'dict object' has no attribute '", name, "'"));
  }
  return evaluator.GetAttribute(subject, name);
}

constexpr Native kSequenceFilters[] = {
    {"attr", "name", Attr},
    {"batch", "linecount fill_with?", Batch},
    {"count", "", Length},
    {"d", "default_value? boolean?", Default},
    {"default", "default_value? boolean?", Default},
    {"first", "", First},
    {"items", "", Items},
    {"join", "d? attribute?", Join},
    {"last", "", Last},
    {"length", "", Length},
    {"list", "", ToList},
    {"reverse", "", Reverse},
    {"slice", "slices fill_with?", SliceInto},
    {"sum", "attribute? start?", Sum},
};

}  // namespace

std::span<const Native> SequenceFilters() { return kSequenceFilters; }

}  // namespace octet::jinja
