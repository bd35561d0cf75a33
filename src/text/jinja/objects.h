// The values with behaviour: namespaces, loops, macros, methods bound to their value, cyclers and joiners.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/jinja/evaluator.h"

namespace octet::jinja {

// namespace(count=0): what a loop's body may change for those outside of it.
class Namespace : public Object {
 public:
  std::string_view TypeName() const override { return "Namespace"; }
  Result<Value> Attribute(Evaluator& evaluator, std::string_view name) override;
  std::string Text() const override { return "<Namespace>"; }
  // Refuses names that begin with an underscore.
  Status Set(Budget& charged_to, std::string_view name, Value value);
  void Release() override { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

// `loop` inside a for statement.
class Loop : public Object, public std::enable_shared_from_this<Loop> {
 public:
  Loop(const Statement& statement, std::shared_ptr<Frame> scope, std::vector<Value> items, size_t level)
      : statement_(statement), scope_(std::move(scope)), items_(std::move(items)), level_(level) {}

  const std::vector<Value>& items() const { return items_; }
  void MoveTo(size_t index) { index_ = index; }

  std::string_view TypeName() const override { return "LoopContext"; }
  Result<Value> Attribute(Evaluator& evaluator, std::string_view name) override;
  bool callable() const override { return true; }
  Result<Value> Call(Evaluator& evaluator, Arguments arguments) override;
  std::string Text() const override { return Cat("<LoopContext ", index_ + 1, "/", items_.size(), ">"); }
  void Release() override;
  Result<Value> Cycle(const Arguments& arguments) const;
  Result<Value> Changed(Evaluator& evaluator, Arguments arguments);

 private:
  const Statement& statement_;
  std::shared_ptr<Frame> scope_;
  std::vector<Value> items_;
  size_t level_;  // of recursion, 0 for the loop itself
  size_t index_ = 0;
  Value last_changed_;
};

class Macro : public Object {
 public:
  Macro(const Statement& statement, std::shared_ptr<Frame> scope) : statement_(statement), scope_(std::move(scope)) {}

  std::string_view TypeName() const override { return "Macro"; }
  Result<Value> Attribute(Evaluator& evaluator, std::string_view name) override;
  bool callable() const override { return true; }
  Result<Value> Call(Evaluator& evaluator, Arguments arguments) override {
    return evaluator.RunMacro(statement_, scope_, std::move(arguments));
  }
  std::string Text() const override { return Cat("<Macro '", statement_.name, "'>"); }

 private:
  const Statement& statement_;
  std::shared_ptr<Frame> scope_;
};

// A native function, with the value it belongs to where it is a method.
class Function : public Object {
 public:
  Function(const Native& native, Value self) : native_(native), self_(std::move(self)) {}

  std::string_view TypeName() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Result<Value> Call(Evaluator& evaluator, Arguments arguments) override {
    return CallNative(evaluator, native_, self_, std::move(arguments));
  }
  Result<Value> Attribute(Evaluator& evaluator, std::string_view name) override;
  std::string Text() const override { return Cat("<built-in function ", native_.name, ">"); }

 private:
  const Native& native_;
  Value self_;
};

// cycler("odd", "even"), with next(), reset() and current.
class Cycler : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}

  std::string_view TypeName() const override { return "Cycler"; }
  Result<Value> Attribute(Evaluator& evaluator, std::string_view name) override;
  Value Next();
  void Reset() { position_ = 0; }

 private:
  std::vector<Value> items_;
  size_t position_ = 0;
};

// joiner(", "): empty at its first call, the separator afterwards.
class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}

  std::string_view TypeName() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Result<Value> Call(Evaluator& evaluator, Arguments arguments) override;

 private:
  Value separator_;
  bool used_ = false;
};

template <class Made, class... Parts>
Result<Value> MakeObject(Budget& budget, const Value& holds, Parts&&... parts) {
  auto object = std::make_shared<Made>(std::forward<Parts>(parts)...);
  OCTET_TRY(Nest(*object, holds));
  object->Charge(&budget, sizeof(Made) + 64);
  return Value(Kind::kObject, std::move(object));
}

}  // namespace octet::jinja
