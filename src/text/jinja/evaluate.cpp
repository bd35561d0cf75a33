// Expressions (evaluator.h).
#include <utility>

#include "text/jinja/evaluator.h"
#include "text/jinja/objects.h"
#include "text/jinja/operations.h"
#include "text/jinja/text_form.h"

namespace octet::jinja {
namespace {

// What Python's repr says about an object in the message of a missing attribute.
Value NoAttribute(const Value& object, std::string_view name) {
  return Value::Undefined(Cat("'", TypeName(object), " object' has no attribute '", name, "'"));
}

Value Unsafe(const Value& object, std::string_view name) {
  return Value::Undefined(Cat("access to attribute '", name, "' of '", TypeName(object), "' object is unsafe."));
}

// Methods that would change their value exist in Python, but the sandbox hides them.
bool IsMutating(const Value& value, std::string_view name) {
  static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                               "insert", "sort",  "extend", "remove"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto in = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (value.Is(Kind::kDict)) return in(kDict);
  return value.Is(Kind::kSequence) && value.sequence().type == SequenceKind::kList && in(kList);
}

}  // namespace

Result<Value> Evaluator::GetAttribute(const Value& object, std::string_view name) {
  if (object.Is(Kind::kUndefined)) return RefuseUndefined(object);
  if (name.starts_with("__")) return Unsafe(object, name);
  if (object.Is(Kind::kObject)) {
    Value value = OCTET_TRY(object.object().Attribute(*this, name));
    return value.missing() ? NoAttribute(object, name) : value;
  }
  if (object.Is(Kind::kSequence) && object.sequence().grouped && (name == "grouper" || name == "list")) {
    return object.sequence().items[name == "grouper" ? 0 : 1];
  }
  if (const Native* method = FindMethod(object, name)) return MakeObject<Function>(budget_, object, *method, object);
  if (IsMutating(object, name)) return Unsafe(object, name);
  if (object.Is(Kind::kDict)) {
    if (const Value* value = object.dict().FindText(name)) return *value;
  }
  return NoAttribute(object, name);
}

Result<Value> Evaluator::GetItem(const Value& object, const Value& key) {
  if (object.Is(Kind::kUndefined)) return RefuseUndefined(object);
  OCTET_TRY(budget_.Spend(1));
  Value value = OCTET_TRY(ItemAt(budget_, object, key));
  if (!value.missing()) return value;
  if (key.Is(Kind::kString)) {
    const std::string_view name = key.string().text();
    if (!object.Is(Kind::kDict)) return GetAttribute(object, name);
    if (FindMethod(object, name) != nullptr || IsMutating(object, name)) return GetAttribute(object, name);
    return NoAttribute(object, name);
  }
  MarkedString text;
  OCTET_TRY(AppendRepr(budget_, key, text));
  return Value::Undefined(Cat(TypeName(object), " object has no element ", text.text().substr(0, 100)));
}

Result<Value> Evaluator::Call(const Value& callee, Arguments arguments) {
  if (callee.Is(Kind::kUndefined)) return RefuseUndefined(callee);
  if (!callee.Is(Kind::kObject)) return Refuse("'", TypeName(callee), "' object is not callable");
  return callee.object().Call(*this, std::move(arguments));
}

Result<Value> Evaluator::ApplyFilter(const Value& name, const Value& subject, Arguments arguments) {
  OCTET_TRY(budget_.Spend(1));
  const Native* native = name.Is(Kind::kString) ? FindFilter(name.string().text()) : nullptr;
  if (native == nullptr) return Refuse("No filter named ", OCTET_TRY(TextOf(budget_, name)).text().substr(0, 100));
  return CallNative(*this, *native, subject, std::move(arguments));
}

Result<bool> Evaluator::ApplyTest(const Value& name, const Value& subject, Arguments arguments) {
  OCTET_TRY(budget_.Spend(1));
  const Native* native = name.Is(Kind::kString) ? FindTest(name.string().text()) : nullptr;
  if (native == nullptr) return Refuse("No test named ", OCTET_TRY(TextOf(budget_, name)).text().substr(0, 100));
  return IsTrue(OCTET_TRY(CallNative(*this, *native, subject, std::move(arguments))));
}

Result<Value> Evaluator::Evaluate(const Expression& expression) {
  OCTET_TRY(budget_.Spend(1));
  if (expression.kind == ExpressionKind::kConstant) return expression.constant;
  if (expression.kind == ExpressionKind::kName) {
    line_ = expression.line;
    return EvaluateName(expression.name);
  }
  if (depth_ >= budget_.limits().depth) {
    return Fail(ErrorCode::kExhausted, "the template runs deeper than the depth limit of ", budget_.limits().depth);
  }
  ++depth_;
  Result<Value> value = EvaluateInner(expression);
  --depth_;
  return value;
}

Result<Value> Evaluator::EvaluateOptional(const ExpressionPointer& expression) {
  return expression == nullptr ? Result<Value>(Value()) : Evaluate(*expression);
}

Result<std::vector<Value>> Evaluator::EvaluateChildren(const Expression& expression, size_t first) {
  std::vector<Value> values;
  values.reserve(expression.children.size() - first);
  for (size_t i = first; i < expression.children.size(); ++i)
    values.push_back(OCTET_TRY(Evaluate(*expression.children[i])));
  line_ = expression.line;
  return values;
}

Result<Value> Evaluator::EvaluateInner(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::kList:
      return MakeSequence(budget_, SequenceKind::kList, OCTET_TRY(EvaluateChildren(expression, 0)));
    case ExpressionKind::kTuple:
      return MakeSequence(budget_, SequenceKind::kTuple, OCTET_TRY(EvaluateChildren(expression, 0)));
    case ExpressionKind::kDict:
      return EvaluateDict(expression);
    case ExpressionKind::kNot:
      return Value::FromBool(!IsTrue(OCTET_TRY(Evaluate(*expression.children[0]))));
    case ExpressionKind::kNegate:
      return Negate(OCTET_TRY(Evaluate(*expression.children[0])));
    case ExpressionKind::kPositive: {
      const Value value = OCTET_TRY(Evaluate(*expression.children[0]));
      return Negate(OCTET_TRY(Negate(value)));
    }
    case ExpressionKind::kArithmetic: {
      const std::vector<Value> sides = OCTET_TRY(EvaluateChildren(expression, 0));
      return Arithmetic(budget_, expression.operation, sides[0], sides[1]);
    }
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr: {
      Value left = OCTET_TRY(Evaluate(*expression.children[0]));
      if (IsTrue(left) == (expression.kind == ExpressionKind::kOr)) return left;
      return Evaluate(*expression.children[1]);
    }
    case ExpressionKind::kConcat:
      return EvaluateConcat(expression);
    case ExpressionKind::kCompare:
      return EvaluateCompare(expression);
    case ExpressionKind::kConditional:
      return EvaluateConditional(expression);
    case ExpressionKind::kAttribute: {
      const Value object = OCTET_TRY(Evaluate(*expression.children[0]));
      line_ = expression.line;
      return GetAttribute(object, expression.name);
    }
    case ExpressionKind::kItem:
      return EvaluateItem(expression);
    case ExpressionKind::kCall:
      return EvaluateCall(expression, Value());
    case ExpressionKind::kFilter:
      return EvaluateFilter(expression, OCTET_TRY(Evaluate(*expression.children[0])));
    case ExpressionKind::kTest:
      return EvaluateTest(expression);
    default:
      return Refuse("a slice is only possible on its own: value[start:stop:step]");
  }
}

Result<Value> Evaluator::EvaluateName(const std::string& name) {
  for (Frame* frame = frame_.get(); frame != nullptr; frame = frame->parent.get()) {
    if (const Value* value = frame->FindHere(name)) return *value;
  }
  if (const Native* global = name.find('.') == std::string::npos ? FindGlobal(name) : nullptr) {
    return MakeObject<Function>(budget_, Value(), *global, Value());
  }
  return Value::Undefined(Cat("'", name, "' is undefined"));
}

Result<Value> Evaluator::EvaluateDict(const Expression& expression) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    Value key = OCTET_TRY(Evaluate(*expression.children[i]));
    Value value = OCTET_TRY(Evaluate(*expression.children[i + 1]));
    if (!IsHashable(key)) return Refuse("unhashable type: '", TypeName(key), "'");
    OCTET_TRY(budget_.SpendBytes(KeyBytes(key)));
    dict->Insert(std::move(key), std::move(value));
  }
  return FinishDict(budget_, std::move(dict));
}

Result<Value> Evaluator::EvaluateConcat(const Expression& expression) {
  MarkedString text;
  for (const auto& child : expression.children) {
    const Value part = OCTET_TRY(Evaluate(*child));
    OCTET_TRY(budget_.Allow(text.size()));
    OCTET_TRY(AppendText(budget_, part, text));
  }
  return MakeString(budget_, std::move(text));
}

Result<Value> Evaluator::EvaluateCompare(const Expression& expression) {
  Value left = OCTET_TRY(Evaluate(*expression.children[0]));
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = OCTET_TRY(Evaluate(*expression.children[i + 1]));
    line_ = expression.line;
    if (!OCTET_TRY(Compare(budget_, expression.operators[i], left, right))) return Value::FromBool(false);
    left = std::move(right);
  }
  return Value::FromBool(true);
}

Result<Value> Evaluator::EvaluateConditional(const Expression& expression) {
  if (IsTrue(OCTET_TRY(Evaluate(*expression.children[0])))) return Evaluate(*expression.children[1]);
  if (expression.children[2] != nullptr) return Evaluate(*expression.children[2]);
  return Value::Undefined("the inline if-expression evaluated to false and no else section was defined.");
}

Result<Value> Evaluator::EvaluateItem(const Expression& expression) {
  const Value object = OCTET_TRY(Evaluate(*expression.children[0]));
  const Expression& key = *expression.children[1];
  if (key.kind != ExpressionKind::kSlice) {
    const Value index = OCTET_TRY(Evaluate(key));
    line_ = expression.line;
    return GetItem(object, index);
  }
  const Value start = OCTET_TRY(EvaluateOptional(key.children[0]));
  const Value stop = OCTET_TRY(EvaluateOptional(key.children[1]));
  const Value step = OCTET_TRY(EvaluateOptional(key.children[2]));
  line_ = expression.line;
  return SliceOf(budget_, object, start, stop, step);
}

Status Evaluator::SpreadArguments(const Expression& call, Arguments& arguments) {
  if (call.star != nullptr) {
    const Value list = OCTET_TRY(Evaluate(*call.star));
    for (Value& item : OCTET_TRY(Iterate(budget_, list))) arguments.positional.push_back(std::move(item));
  }
  if (call.star_star == nullptr) return {};
  const Value named = OCTET_TRY(Evaluate(*call.star_star));
  if (!named.Is(Kind::kDict)) return Refuse("the argument after ** must be a mapping, not ", TypeName(named));
  OCTET_TRY(budget_.Spend(named.dict().entries.size()));
  for (const auto& [key, value] : named.dict().entries) {
    if (!key.Is(Kind::kString)) return Refuse("keywords must be strings");
    const MarkedString& name = key.string().marked;
    for (const auto& argument : call.named) {
      if (argument.first == name.text()) return Refuse("got multiple values for keyword argument '", name.text(), "'");
    }
    arguments.named.emplace_back(name, value);
  }
  return {};
}

Result<Arguments> Evaluator::EvaluateArguments(const Expression& call) {
  Arguments arguments;
  arguments.positional = OCTET_TRY(EvaluateChildren(call, 1));
  for (const auto& [name, value] : call.named)
    arguments.named.emplace_back(MarkedString(name, true), OCTET_TRY(Evaluate(*value)));
  if (call.star != nullptr || call.star_star != nullptr) OCTET_TRY(SpreadArguments(call, arguments));
  line_ = call.line;
  return arguments;
}

// `caller` is what a call block passes on, kMissing elsewhere.
Result<Value> Evaluator::EvaluateCall(const Expression& expression, Value caller) {
  const Value callee = OCTET_TRY(Evaluate(*expression.children[0]));
  Arguments arguments = OCTET_TRY(EvaluateArguments(expression));
  if (!caller.missing()) arguments.named.emplace_back(MarkedString("caller", true), std::move(caller));
  return Call(callee, std::move(arguments));
}

Result<Value> Evaluator::EvaluateFilter(const Expression& expression, const Value& subject) {
  Arguments arguments = OCTET_TRY(EvaluateArguments(expression));
  if (expression.native == nullptr) return Refuse("No filter named '", expression.name, "' found.");
  return CallNative(*this, *expression.native, subject, std::move(arguments));
}

Result<Value> Evaluator::EvaluateTest(const Expression& expression) {
  const Value subject = OCTET_TRY(Evaluate(*expression.children[0]));
  Arguments arguments = OCTET_TRY(EvaluateArguments(expression));
  if (expression.native == nullptr) return Refuse("No test named '", expression.name, "' found.");
  return CallNative(*this, *expression.native, subject, std::move(arguments));
}

}  // namespace octet::jinja
