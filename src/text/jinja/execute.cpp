// Statements (evaluator.h).
#include <utility>

#include "text/jinja/evaluator.h"
#include "text/jinja/objects.h"
#include "text/jinja/operations.h"
#include "text/jinja/text_form.h"

namespace octet::jinja {

Value* Frame::FindHere(std::string_view name) {
  for (auto& [key, value] : variables) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Frame::Set(std::string_view name, Value value) {
  if (Value* found = FindHere(name)) {
    *found = std::move(value);
  } else {
    variables.emplace_back(name, std::move(value));
  }
}

// Scopes and objects that hold each other are emptied first: nothing is then destroyed through a long chain.
Evaluator::~Evaluator() {
  for (const auto& frame : kept_frames_) frame->variables.clear();
  for (const auto& object : kept_objects_) object->Release();
}

std::shared_ptr<Frame> Evaluator::NewFrame(std::shared_ptr<Frame> parent) {
  auto frame = std::make_shared<Frame>();
  frame->parent = std::move(parent);
  return frame;
}

void Evaluator::KeepFrames(std::shared_ptr<Frame> frame) {
  while (frame != nullptr && !frame->kept) {
    frame->kept = true;
    budget_.Grow(sizeof(Frame) + 64);
    kept_frames_.push_back(frame);
    frame = frame->parent;
  }
}

Result<MarkedString> Evaluator::Render(const Block& body, const Inputs& inputs) {
  auto globals = NewFrame(nullptr);
  for (const auto& [name, value] : inputs) globals->Set(name, value);
  frame_ = NewFrame(std::move(globals));
  MarkedString text;
  out_ = &text;
  const Result<Flow> flow = ExecuteBlock(body);
  out_ = nullptr;
  if (!flow) return tl::unexpected<Error>(flow.error());
  return text;
}

Status Evaluator::Output(const MarkedString& text) {
  open_output_ += text.size();
  if (open_output_ > budget_.limits().output_bytes) {
    return Fail(ErrorCode::kExhausted, "the template prints more than the output limit of ",
                budget_.limits().output_bytes, " bytes");
  }
  // Text and marks count while they are written, and are there twice as they move to a larger place.
  const size_t before = out_->memory(), bytes = text.MemoryOf(1);
  OCTET_TRY(budget_.Fit(before + bytes));
  OCTET_TRY(budget_.SpendBytes(bytes));
  out_->Append(text);
  budget_.Grow(out_->memory() - before);
  return {};
}

Status Evaluator::Print(const Value& value) {
  if (value.Is(Kind::kString)) return Output(value.string().marked);
  const Value text = MakeString(budget_, OCTET_TRY(TextOf(budget_, value)));  // counted while both are there
  return Output(text.string().marked);
}

Result<Evaluator::Flow> Evaluator::ExecuteBlock(const Block& block) {
  for (const auto& statement : block) {
    const Flow flow = OCTET_TRY(Execute(*statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::Execute(const Statement& statement) {
  line_ = statement.line;
  OCTET_TRY(budget_.Spend(1));
  switch (statement.kind) {
    case StatementKind::kText:
      OCTET_TRY(Output(statement.text.string().marked));
      break;
    case StatementKind::kPrint: {
      const Value value = OCTET_TRY(Evaluate(*statement.value));
      OCTET_TRY(Print(value));
      break;
    }
    case StatementKind::kIf:
      return ExecuteIf(statement);
    case StatementKind::kFor:
      return ExecuteFor(statement);
    case StatementKind::kSet: {
      Value value = OCTET_TRY(Evaluate(*statement.value));
      OCTET_TRY(Assign(*statement.target, std::move(value)));
      break;
    }
    case StatementKind::kSetBlock:
      return ExecuteSetBlock(statement);
    case StatementKind::kMacro:
      frame_->Set(statement.name, MakeMacro(statement));
      break;
    case StatementKind::kCallBlock: {
      const Value value = OCTET_TRY(EvaluateCall(*statement.value, MakeMacro(statement)));
      OCTET_TRY(Print(value));
      break;
    }
    case StatementKind::kFilterBlock:
      return ExecuteFilterBlock(statement);
    case StatementKind::kWith:
      return ExecuteWith(statement);
    case StatementKind::kScope:
      return ExecuteScope(statement.body);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
    case StatementKind::kUnsupported:
      return Fail(ErrorCode::kUnsupported, "`", statement.name,
                  "` needs other templates, a chat template stands alone");
  }
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::ExecuteIf(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (IsTrue(OCTET_TRY(Evaluate(*branch.condition)))) return ExecuteBlock(branch.body);
  }
  return ExecuteBlock(statement.otherwise);
}

Result<Evaluator::Flow> Evaluator::ExecuteScope(const Block& body) {
  const std::shared_ptr<Frame> outer = std::exchange(frame_, NewFrame(frame_));
  Result<Flow> flow = ExecuteBlock(body);
  frame_ = outer;
  return flow;
}

Result<Evaluator::Flow> Evaluator::ExecuteWith(const Statement& statement) {
  auto inner = NewFrame(frame_);
  // Values see the scope outside: `with a = 1, b = a` takes the outer a.
  for (const auto& [target, expression] : statement.assignments) {
    Value value = OCTET_TRY(Evaluate(*expression));
    const std::shared_ptr<Frame> outer = std::exchange(frame_, inner);
    const Status assigned = Assign(*target, std::move(value));
    frame_ = outer;
    if (!assigned) return tl::unexpected<Error>(assigned.error());
  }
  const std::shared_ptr<Frame> outer = std::exchange(frame_, std::move(inner));
  Result<Flow> flow = ExecuteBlock(statement.body);
  frame_ = outer;
  return flow;
}

Result<Value> Evaluator::Capture(const Block& body, const std::shared_ptr<Frame>& scope, Flow* flow) {
  MarkedString text;
  const std::shared_ptr<Frame> outer = std::exchange(frame_, scope);
  MarkedString* const outer_out = std::exchange(out_, &text);
  const Result<Flow> result = ExecuteBlock(body);
  frame_ = outer;
  out_ = outer_out;
  open_output_ -= std::min(open_output_, text.size());
  budget_.Shrink(text.memory());
  if (!result) return tl::unexpected<Error>(result.error());
  if (flow != nullptr) *flow = *result;
  return MakeString(budget_, std::move(text));
}

Result<Value> Evaluator::FilterChain(const Expression& filters, Value subject) {
  // The innermost filter has no subject of its own: it gets the block's text.
  if (filters.children[0] != nullptr) subject = OCTET_TRY(FilterChain(*filters.children[0], std::move(subject)));
  return EvaluateFilter(filters, subject);
}

Result<Evaluator::Flow> Evaluator::ExecuteSetBlock(const Statement& statement) {
  Flow flow = Flow::kNext;
  Value text = OCTET_TRY(Capture(statement.body, NewFrame(frame_), &flow));
  if (flow != Flow::kNext) return flow;
  if (statement.value != nullptr) text = OCTET_TRY(FilterChain(*statement.value, std::move(text)));
  OCTET_TRY(Assign(*statement.target, std::move(text)));
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::ExecuteFilterBlock(const Statement& statement) {
  Flow flow = Flow::kNext;
  Value text = OCTET_TRY(Capture(statement.body, NewFrame(frame_), &flow));
  if (flow != Flow::kNext) return flow;
  text = OCTET_TRY(FilterChain(*statement.value, std::move(text)));
  OCTET_TRY(Print(text));
  return Flow::kNext;
}

Status Evaluator::Assign(const Expression& target, Value value) {
  if (target.kind == ExpressionKind::kTuple) return Unpack(target, value);
  if (target.kind == ExpressionKind::kName) return frame_->Set(target.name, std::move(value)), Status();
  const Value object = OCTET_TRY(EvaluateName(target.name));
  auto* space = object.Is(Kind::kObject) ? dynamic_cast<Namespace*>(&object.object()) : nullptr;
  if (space == nullptr) return Refuse("cannot assign attribute on non-namespace object");
  return space->Set(budget_, target.attribute, std::move(value));
}

Status Evaluator::Unpack(const Expression& target, const Value& value) {
  if (value.Is(Kind::kNone) || value.IsNumber())
    return Refuse("cannot unpack non-iterable ", TypeName(value), " object");
  std::vector<Value> items = OCTET_TRY(Iterate(budget_, value));
  if (items.size() != target.children.size()) {
    return Refuse(items.size(), " values to unpack, expected ", target.children.size());
  }
  for (size_t i = 0; i < items.size(); ++i) OCTET_TRY(Assign(*target.children[i], std::move(items[i])));
  return {};
}

Result<std::vector<Value>> Evaluator::LoopItems(const Statement& statement, const Value& items) {
  std::vector<Value> all = OCTET_TRY(Iterate(budget_, items));
  if (statement.condition == nullptr) return all;
  std::vector<Value> selected;
  const std::shared_ptr<Frame> outer = frame_;
  Status failure;
  for (Value& item : all) {
    frame_ = NewFrame(outer);
    failure = Assign(*statement.target, item);
    if (!failure) break;
    const Result<Value> condition = Evaluate(*statement.condition);
    if (!condition) failure = tl::unexpected<Error>(condition.error());
    if (!failure) break;
    if (IsTrue(*condition)) selected.push_back(std::move(item));
  }
  frame_ = outer;
  OCTET_TRY(std::move(failure));
  return selected;
}

Result<Evaluator::Flow> Evaluator::RunLoop(const Statement& statement, const Value& items, size_t depth) {
  const std::shared_ptr<Frame> outer = frame_;
  auto loop = std::make_shared<Loop>(statement, outer, OCTET_TRY(LoopItems(statement, items)), depth);
  for (const Value& item : loop->items()) OCTET_TRY(Nest(*loop, item));
  loop->Charge(&budget_, sizeof(Loop) + loop->items().size() * sizeof(Value));
  // jinja2 runs `else` unless a body came to its end, so `continue` in every round counts as no round.
  bool completed = false;
  for (size_t i = 0; i < loop->items().size(); ++i) {
    OCTET_TRY(budget_.Spend(1));
    loop->MoveTo(i);
    frame_ = NewFrame(outer);
    frame_->variables.emplace_back("loop", Value(Kind::kObject, loop));
    Status assigned = Assign(*statement.target, loop->items()[i]);
    Result<Flow> flow = assigned ? ExecuteBlock(statement.body) : tl::unexpected<Error>(assigned.error());
    frame_ = outer;
    if (!flow) return flow;
    if (*flow == Flow::kBreak) break;
    completed = completed || *flow == Flow::kNext;
  }
  return completed ? Result<Flow>(Flow::kNext) : ExecuteScope(statement.otherwise);
}

Result<Evaluator::Flow> Evaluator::ExecuteFor(const Statement& statement) {
  const Value items = OCTET_TRY(Evaluate(*statement.value));
  if (depth_ >= budget_.limits().depth) {
    return Fail(ErrorCode::kExhausted, "the template runs deeper than the depth limit of ", budget_.limits().depth);
  }
  ++depth_;
  Result<Flow> flow = RunLoop(statement, items, 0);
  --depth_;
  return flow;
}

Result<Value> Evaluator::RunLoopAgain(const Statement& loop, const std::shared_ptr<Frame>& scope, const Value& items,
                                      size_t depth) {
  MarkedString text;
  const std::shared_ptr<Frame> outer = std::exchange(frame_, scope);
  MarkedString* const outer_out = std::exchange(out_, &text);
  const Result<Flow> flow = RunLoop(loop, items, depth);
  frame_ = outer;
  out_ = outer_out;
  open_output_ -= std::min(open_output_, text.size());
  budget_.Shrink(text.memory());
  if (!flow) return tl::unexpected<Error>(flow.error());
  return MakeString(budget_, std::move(text));
}

Value Evaluator::MakeMacro(const Statement& statement) {
  KeepFrames(frame_);
  auto macro = std::make_shared<Macro>(statement, frame_);
  macro->Charge(&budget_, sizeof(Macro) + 64);
  return Value(Kind::kObject, std::move(macro));
}

// Sets the parameters of a macro in the current scope, which is the macro's own.
Status Evaluator::BindMacro(const Statement& macro, Arguments arguments) {
  const auto take = [&](std::string_view name) {
    for (auto argument = arguments.named.begin(); argument != arguments.named.end(); ++argument) {
      if (argument->first.text() != name) continue;
      Value value = std::move(argument->second);
      arguments.named.erase(argument);
      return value;
    }
    return Value();
  };
  const std::string_view name = macro.kind == StatementKind::kCallBlock ? "caller" : std::string_view(macro.name);
  bool has_caller = false;
  const size_t given = arguments.positional.size(), known = macro.parameters.size();
  for (size_t i = 0; i < known; ++i) {
    const Parameter& parameter = macro.parameters[i];
    has_caller = has_caller || parameter.name == "caller";
    Value value = i < given ? arguments.positional[i] : take(parameter.name);
    if (value.missing() && parameter.otherwise != nullptr) value = OCTET_TRY(Evaluate(*parameter.otherwise));
    if (value.missing()) value = Value::Undefined(Cat("parameter '", parameter.name, "' was not provided"));
    frame_->Set(parameter.name, std::move(value));
  }
  if (macro.uses_caller && !has_caller) {
    Value caller = take("caller");
    frame_->Set("caller", caller.missing() ? Value::Undefined("No caller defined") : std::move(caller));
  }
  if (!arguments.named.empty() && !macro.uses_named) {
    return Refuse("macro '", name, "' takes no keyword argument '", arguments.named[0].first.text(), "'");
  }
  if (given > known && !macro.uses_positional)
    return Refuse("macro '", name, "' takes not more than ", known, " argument(s)");
  if (macro.uses_positional) {
    std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(std::min(known, given)),
                            arguments.positional.end());
    frame_->Set("varargs", OCTET_TRY(MakeSequence(budget_, SequenceKind::kTuple, std::move(rest))));
  }
  if (!macro.uses_named) return {};
  auto rest = std::make_shared<Dict>();
  for (auto& [key, value] : arguments.named) rest->Insert(MakeString(budget_, std::move(key)), std::move(value));
  frame_->Set("kwargs", OCTET_TRY(FinishDict(budget_, std::move(rest))));
  return {};
}

Result<Value> Evaluator::RunMacro(const Statement& macro, const std::shared_ptr<Frame>& scope, Arguments arguments) {
  const auto inner = NewFrame(scope);
  const std::shared_ptr<Frame> outer = std::exchange(frame_, inner);
  const Status bound = BindMacro(macro, std::move(arguments));
  frame_ = outer;
  if (!bound) return tl::unexpected<Error>(bound.error());
  return Capture(macro.body, inner);
}

}  // namespace octet::jinja
