// A parsed template: statements and expressions, as plain data that the evaluator walks.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/operations.h"
#include "text/jinja/value.h"

namespace octet::jinja {

struct Expression;
struct Native;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ExpressionKind : uint8_t {
  kConstant,
  kName,
  kAttributeTarget,  // ns.name on the left of `set`; children: none, name and attribute
  kList,             // children: items
  kTuple,
  kDict,  // children: key, value, key, value ...
  kNot,
  kNegate,
  kPositive,
  kArithmetic,  // children: left, right
  kAnd,
  kOr,
  kConcat,       // children: parts of ~
  kCompare,      // children: first operand, then one for each of `operators`
  kConditional,  // children: condition, then, else (may be null)
  kAttribute,    // children: object
  kItem,         // children: object, key or kSlice
  kSlice,        // children: start, stop, step; each may be null
  kCall,         // children: callee, then positional arguments
  kFilter,       // children: subject (null in a filter block), then positional arguments
  kTest
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  Operator operation = Operator::kAdd;
  int line = 0;
  int height = 1;                  // longest way down to a leaf
  std::string name;                // variable, attribute, filter or test
  std::string attribute;           // of kAttributeTarget
  const Native* native = nullptr;  // of kFilter and kTest; null where nothing has the name
  Value constant;
  std::vector<ExpressionPointer> children;
  std::vector<Operator> operators;
  std::vector<std::pair<std::string, ExpressionPointer>> named;  // keyword arguments
  ExpressionPointer star;                                        // f(*star)
  ExpressionPointer star_star;                                   // f(**star_star)
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

enum class StatementKind : uint8_t {
  kText,
  kPrint,        // `value`
  kIf,           // `branches`, `otherwise`
  kFor,          // for `target` in `value` if `condition`: `body`, `otherwise`
  kSet,          // `target` = `value`
  kSetBlock,     // `target` = `body`, through `value` where that is a filter
  kMacro,        // `name`, `parameters`, `body`
  kCallBlock,    // call `value` with `parameters` and `body` as caller
  kFilterBlock,  // `body` through `value`
  kWith,         // `branches` hold target and value in `targets`, `values`
  kScope,        // a body of its own: block, generation, autoescape
  kBreak,
  kContinue,
  kUnsupported  // include, import, extends: fails where it is reached
};

struct Parameter {
  std::string name;
  ExpressionPointer otherwise;  // null where there is no default
};

struct Branch {
  ExpressionPointer condition;
  Block body;
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 0;
  Value text;
  std::string name;
  ExpressionPointer target, value, condition;
  Block body, otherwise;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExpressionPointer, ExpressionPointer>> assignments;  // of kWith
  bool recursive = false;
  // Whether a macro's body asks for these, which makes them acceptable in a call.
  bool uses_caller = false, uses_named = false, uses_positional = false;
};

}  // namespace octet::jinja
