// Runs a parsed template over its inputs.
//
//   Evaluator evaluator(limits, now);
//   MarkedString text = OCTET_TRY(evaluator.Render(body, inputs));
//
// One evaluator renders once. It reaches nothing but the values it is given: no files, no clock, no other templates.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/budget.h"
#include "text/jinja/natives.h"

namespace octet::jinja {

// Variables of one scope. Macros keep the scopes they were written in.
struct Frame {
  std::shared_ptr<Frame> parent;
  std::vector<std::pair<std::string_view, Value>> variables;
  bool kept = false;

  Value* FindHere(std::string_view name);
  void Set(std::string_view name, Value value);
};

using Inputs = std::vector<std::pair<std::string, Value>>;

class Evaluator {
 public:
  Evaluator(const Limits& limits, const std::tm& now) : budget_(limits), now_(now) {}
  Evaluator(const Evaluator&) = delete;
  ~Evaluator();

  // The budget that inputs are to be made with.
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  // The line of the template that was worked on last: where an error happened.
  int line() const { return line_; }

  Result<MarkedString> Render(const Block& body, const Inputs& inputs);

  // object.name and object[key], undefined where there is nothing of the kind.
  Result<Value> GetAttribute(const Value& object, std::string_view name);
  Result<Value> GetItem(const Value& object, const Value& key);
  Result<Value> Call(const Value& callee, Arguments arguments);
  Result<Value> ApplyFilter(const Value& name, const Value& subject, Arguments arguments);
  Result<bool> ApplyTest(const Value& name, const Value& subject, Arguments arguments);
  // What a macro's or call block's body prints.
  Result<Value> RunMacro(const Statement& macro, const std::shared_ptr<Frame>& scope, Arguments arguments);
  // The body of a recursive loop over other items, one level further down.
  Result<Value> RunLoopAgain(const Statement& loop, const std::shared_ptr<Frame>& scope, const Value& items,
                             size_t depth);
  // Holds an object to the end, since it can become part of itself.
  void Keep(std::shared_ptr<Object> object) { kept_objects_.push_back(std::move(object)); }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // evaluate.cpp
  Result<Value> Evaluate(const Expression& expression);
  Result<Value> EvaluateInner(const Expression& expression);
  Result<Value> EvaluateOptional(const ExpressionPointer& expression);
  Result<std::vector<Value>> EvaluateChildren(const Expression& expression, size_t first);
  Result<Value> EvaluateName(const std::string& name);
  Result<Value> EvaluateDict(const Expression& expression);
  Result<Value> EvaluateConcat(const Expression& expression);
  Result<Value> EvaluateCompare(const Expression& expression);
  Result<Value> EvaluateConditional(const Expression& expression);
  Result<Value> EvaluateItem(const Expression& expression);
  Result<Value> EvaluateCall(const Expression& expression, Value caller);
  Result<Value> EvaluateFilter(const Expression& expression, const Value& subject);
  Result<Value> EvaluateTest(const Expression& expression);
  Result<Arguments> EvaluateArguments(const Expression& call);
  Status SpreadArguments(const Expression& call, Arguments& arguments);

  // execute.cpp
  Result<Flow> ExecuteBlock(const Block& block);
  Result<Flow> Execute(const Statement& statement);
  Result<Flow> ExecuteIf(const Statement& statement);
  Result<Flow> ExecuteFor(const Statement& statement);
  Result<Flow> ExecuteWith(const Statement& statement);
  Result<Flow> ExecuteSetBlock(const Statement& statement);
  Result<Flow> ExecuteFilterBlock(const Statement& statement);
  Result<Flow> RunLoop(const Statement& statement, const Value& items, size_t depth);
  Result<std::vector<Value>> LoopItems(const Statement& statement, const Value& items);
  Result<Flow> ExecuteScope(const Block& body);
  Status Assign(const Expression& target, Value value);
  Status Unpack(const Expression& target, const Value& value);
  Status Print(const Value& value);
  Status Output(const MarkedString& text);
  // What `body` prints, in a scope below `scope`.
  Result<Value> Capture(const Block& body, const std::shared_ptr<Frame>& scope, Flow* flow = nullptr);
  Result<Value> FilterChain(const Expression& filters, Value subject);
  Value MakeMacro(const Statement& statement);
  Status BindMacro(const Statement& macro, Arguments arguments);
  std::shared_ptr<Frame> NewFrame(std::shared_ptr<Frame> parent);
  void KeepFrames(std::shared_ptr<Frame> frame);

  Budget budget_;
  std::tm now_;
  int line_ = 1;
  size_t depth_ = 0;
  size_t open_output_ = 0;  // bytes in all buffers that are being written
  MarkedString* out_ = nullptr;
  std::shared_ptr<Frame> frame_;
  std::vector<std::shared_ptr<Frame>> kept_frames_;
  std::vector<std::shared_ptr<Object>> kept_objects_;
};

}  // namespace octet::jinja
