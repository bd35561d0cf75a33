#include "text/jinja/objects.h"

#include <algorithm>

#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

Loop& LoopOf(const Value& value) { return static_cast<Loop&>(value.object()); }
Cycler& CyclerOf(const Value& value) { return static_cast<Cycler&>(value.object()); }

constexpr Native kLoopMethods[] = {
    {"cycle", "", nullptr,
     [](Evaluator&, const Value& self, Arguments& arguments) { return LoopOf(self).Cycle(arguments); }},
    {"changed", "", nullptr, [](Evaluator& evaluator, const Value& self, Arguments& arguments) {
       return LoopOf(self).Changed(evaluator, std::move(arguments));
     }}};

constexpr Native kCyclerMethods[] = {
    {"next", "", [](Evaluator&, const Value& self, Bound&) -> Result<Value> { return CyclerOf(self).Next(); }},
    {"reset", "", [](Evaluator&, const Value& self, Bound&) -> Result<Value> {
       CyclerOf(self).Reset();
       return Value::None();
     }}};

Value Count(size_t number) { return Value::FromInteger(static_cast<Integer>(number)); }

// A method of an object that is itself a value.
Result<Value> Bind(Evaluator& evaluator, const Native& native, std::shared_ptr<Object> self) {
  Value value(Kind::kObject, std::move(self));
  return MakeObject<Function>(evaluator.budget(), value, native, value);
}

}  // namespace

Result<Value> Namespace::Attribute(Evaluator&, std::string_view name) {
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return Value();
}

Status Namespace::Set(Budget& charged_to, std::string_view name, Value value) {
  if (name.starts_with('_')) {
    return Refuse("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '", name, "'");
  }
  OCTET_TRY(Nest(*this, value));
  for (auto& [key, old] : attributes_) {
    if (key == name) return old = std::move(value), Status();
  }
  OCTET_TRY(charged_to.Spend(1 + attributes_.size()));
  charged_to.Grow(sizeof(Value) + 64);
  charged += sizeof(Value) + 64;
  attributes_.emplace_back(name, std::move(value));
  return {};
}

void Loop::Release() {
  items_.clear();
  last_changed_ = Value();
}

Result<Value> Loop::Attribute(Evaluator& evaluator, std::string_view name) {
  if (name == "index") return Count(index_ + 1);
  if (name == "index0") return Count(index_);
  if (name == "first") return Value::FromBool(index_ == 0);
  if (name == "last") return Value::FromBool(index_ + 1 == items_.size());
  if (name == "length") return Count(items_.size());
  if (name == "revindex") return Count(items_.size() - index_);
  if (name == "revindex0") return Count(items_.size() - index_ - 1);
  if (name == "depth") return Count(level_ + 1);
  if (name == "depth0") return Count(level_);
  if (name == "previtem") return index_ == 0 ? Value::Undefined("there is no previous item") : items_[index_ - 1];
  if (name == "nextitem")
    return index_ + 1 == items_.size() ? Value::Undefined("there is no next item") : items_[index_ + 1];
  if (name == "cycle") return Bind(evaluator, kLoopMethods[0], shared_from_this());
  if (name == "changed") return Bind(evaluator, kLoopMethods[1], shared_from_this());
  return Value();
}

Result<Value> Loop::Cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) return Refuse("no items for cycling given");
  return arguments.positional[index_ % arguments.positional.size()];
}

Result<Value> Loop::Changed(Evaluator& evaluator, Arguments arguments) {
  Value value = OCTET_TRY(MakeSequence(evaluator.budget(), SequenceKind::kTuple, std::move(arguments.positional)));
  if (!last_changed_.missing() && OCTET_TRY(Equal(evaluator.budget(), last_changed_, value)))
    return Value::FromBool(false);
  if (last_changed_.missing()) evaluator.Keep(shared_from_this());
  OCTET_TRY(Nest(*this, value));
  last_changed_ = std::move(value);
  return Value::FromBool(true);
}

Result<Value> Loop::Call(Evaluator& evaluator, Arguments arguments) {
  if (!statement_.recursive) return Refuse("The loop must have the 'recursive' marker to be called recursively.");
  if (arguments.positional.size() != 1 || !arguments.named.empty()) return Refuse("loop() takes one iterable");
  return evaluator.RunLoopAgain(statement_, scope_, arguments.positional[0], level_ + 1);
}

Result<Value> Macro::Attribute(Evaluator& evaluator, std::string_view name) {
  if (name == "name") return MakeText(evaluator.budget(), statement_.name, true);
  if (name == "catch_kwargs") return Value::FromBool(statement_.uses_named);
  if (name == "catch_varargs") return Value::FromBool(statement_.uses_positional);
  if (name == "caller") return Value::FromBool(statement_.uses_caller);
  if (name != "arguments") return Value();
  std::vector<Value> names;
  for (const Parameter& parameter : statement_.parameters)
    names.push_back(MakeText(evaluator.budget(), parameter.name, true));
  return MakeSequence(evaluator.budget(), SequenceKind::kTuple, std::move(names));
}

Result<Value> Function::Attribute(Evaluator& evaluator, std::string_view name) {
  // dict.fromkeys is the one attribute that a function has.
  if (native_.name != "dict" || name != "fromkeys") return Value();
  return MakeObject<Function>(evaluator.budget(), Value(), *FindGlobal("dict.fromkeys"), Value());
}

Result<Value> Cycler::Attribute(Evaluator& evaluator, std::string_view name) {
  if (name == "current") return items_[position_];
  if (name == "pos") return Count(position_);
  if (name == "next") return Bind(evaluator, kCyclerMethods[0], shared_from_this());
  if (name == "reset") return Bind(evaluator, kCyclerMethods[1], shared_from_this());
  if (name == "items") return MakeSequence(evaluator.budget(), SequenceKind::kTuple, items_);
  return Value();
}

Value Cycler::Next() {
  Value value = items_[position_];
  position_ = (position_ + 1) % items_.size();
  return value;
}

Result<Value> Joiner::Call(Evaluator& evaluator, Arguments) {
  if (used_) return separator_;
  used_ = true;
  return MakeText(evaluator.budget(), "", true);
}

}  // namespace octet::jinja
