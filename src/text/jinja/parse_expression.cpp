// Expressions of the template language, from the weakest binding to the strongest (parser.h).
#include <algorithm>
#include <utility>

#include "text/jinja/natives.h"
#include "text/jinja/parser.h"

namespace octet::jinja {

ExpressionPointer Parser::NewExpression(ExpressionKind kind, int line) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = line;
  return expression;
}

void Parser::Adopt(Expression& parent, ExpressionPointer child) {
  if (child != nullptr) parent.height = std::max(parent.height, child->height + 1);
  parent.children.push_back(std::move(child));
}

Parser::ExpressionResult Parser::Finish(ExpressionPointer expression) const {
  if (expression->height <= kMaximumHeight) return expression;
  return WrongAt(expression->line, "an expression has more than ", kMaximumHeight, " operators in a row");
}

Parser::ExpressionResult Parser::Binary(ExpressionKind kind, Operator operation, int line, ExpressionPointer left,
                                        ExpressionPointer right) const {
  auto expression = NewExpression(kind, line);
  expression->operation = operation;
  Adopt(*expression, std::move(left));
  Adopt(*expression, std::move(right));
  return Finish(std::move(expression));
}

Parser::ExpressionResult Parser::ParseExpression(bool with_conditional) {
  if (nesting_ >= kMaximumNesting)
    return Wrong("blocks and expressions are nested deeper than ", kMaximumNesting, " levels");
  ++nesting_;
  ExpressionResult expression = with_conditional ? ParseConditional() : ParseOr();
  --nesting_;
  return expression;
}

bool Parser::AtTupleEnd(const TupleRules& rules) const {
  return current().type == TokenType::kPrintEnd || current().type == TokenType::kBlockEnd || IsOperator(")") ||
         (!rules.end_name.empty() && IsName(rules.end_name));
}

Parser::ExpressionResult Parser::ParseTuple(const TupleRules& rules) {
  auto tuple = NewExpression(ExpressionKind::kTuple, current().line);
  bool is_tuple = false;
  while (true) {
    if (!tuple->children.empty()) OCTET_TRY(ExpectOperator(","));
    if (AtTupleEnd(rules)) break;
    Adopt(*tuple,
          OCTET_TRY(rules.targets_only ? ParsePrimary(rules.with_namespace) : ParseExpression(rules.with_conditional)));
    if (!IsOperator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !tuple->children.empty()) return std::move(tuple->children[0]);
  if (!is_tuple && !rules.parenthesized) return Wrong("Expected an expression, got '", Describe(current()), "'");
  return Finish(std::move(tuple));
}

Parser::ExpressionResult Parser::ParseTarget(const TupleRules& rules) {
  auto target = OCTET_TRY(ParseTuple(rules));
  std::vector<const Expression*> left = {target.get()};
  while (!left.empty()) {
    const Expression* part = left.back();
    left.pop_back();
    if (part->kind == ExpressionKind::kTuple) {
      for (const auto& child : part->children) left.push_back(child.get());
    } else if (part->kind != ExpressionKind::kAttributeTarget && part->kind != ExpressionKind::kName) {
      return WrongAt(part->line, "can't assign to this expression");
    } else if (part->name == "loop" && part->kind == ExpressionKind::kName && rules.end_name == "in") {
      return WrongAt(part->line, "Can't assign to special loop variable in for-loop target");
    }
  }
  return target;
}

Parser::ExpressionResult Parser::ParseConditional() {
  int line = current().line;
  auto expression = OCTET_TRY(ParseOr());
  while (SkipName("if")) {
    auto conditional = NewExpression(ExpressionKind::kConditional, line);
    auto condition = OCTET_TRY(ParseOr());
    ExpressionPointer otherwise;
    if (SkipName("else")) otherwise = OCTET_TRY(ParseExpression());
    Adopt(*conditional, std::move(condition));
    Adopt(*conditional, std::move(expression));
    Adopt(*conditional, std::move(otherwise));
    expression = OCTET_TRY(Finish(std::move(conditional)));
    line = current().line;
  }
  return expression;
}

Parser::ExpressionResult Parser::ParseOr() {
  const int line = current().line;
  auto left = OCTET_TRY(ParseAnd());
  while (SkipName("or")) {
    auto right = OCTET_TRY(ParseAnd());
    left = OCTET_TRY(Binary(ExpressionKind::kOr, {}, line, std::move(left), std::move(right)));
  }
  return left;
}

Parser::ExpressionResult Parser::ParseAnd() {
  const int line = current().line;
  auto left = OCTET_TRY(ParseNot());
  while (SkipName("and")) {
    auto right = OCTET_TRY(ParseNot());
    left = OCTET_TRY(Binary(ExpressionKind::kAnd, {}, line, std::move(left), std::move(right)));
  }
  return left;
}

Parser::ExpressionResult Parser::ParseNot() {
  int negations = 0;
  const int line = current().line;
  while (SkipName("not")) ++negations;
  auto expression = OCTET_TRY(ParseCompare());
  for (; negations > 0; --negations) {
    auto negation = NewExpression(ExpressionKind::kNot, line);
    Adopt(*negation, std::move(expression));
    expression = OCTET_TRY(Finish(std::move(negation)));
  }
  return expression;
}

Parser::ExpressionResult Parser::ParseCompare() {
  static constexpr std::pair<std::string_view, Operator> kComparisons[] = {
      {"==", Operator::kEqual},     {"!=", Operator::kNotEqual}, {"<", Operator::kLess},
      {"<=", Operator::kLessEqual}, {">", Operator::kGreater},   {">=", Operator::kGreaterEqual}};
  auto compare = NewExpression(ExpressionKind::kCompare, current().line);
  Adopt(*compare, OCTET_TRY(ParseSum()));
  while (true) {
    const auto symbol = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                     [&](const auto& entry) { return IsOperator(entry.first); });
    if (symbol != std::end(kComparisons)) {
      compare->operators.push_back(symbol->second);
    } else if (IsName("in")) {
      compare->operators.push_back(Operator::kIn);
    } else if (IsName("not") && IsNameAt(1, "in")) {
      Advance();
      compare->operators.push_back(Operator::kNotIn);
    } else {
      break;
    }
    Advance();
    Adopt(*compare, OCTET_TRY(ParseSum()));
  }
  if (compare->operators.empty()) return std::move(compare->children[0]);
  return Finish(std::move(compare));
}

Parser::ExpressionResult Parser::ParseSum() {
  const int line = current().line;
  auto left = OCTET_TRY(ParseConcat());
  while (IsOperator("+") || IsOperator("-")) {
    const Operator operation = IsOperator("+") ? Operator::kAdd : Operator::kSubtract;
    Advance();
    auto right = OCTET_TRY(ParseConcat());
    left = OCTET_TRY(Binary(ExpressionKind::kArithmetic, operation, line, std::move(left), std::move(right)));
  }
  return left;
}

Parser::ExpressionResult Parser::ParseConcat() {
  auto concat = NewExpression(ExpressionKind::kConcat, current().line);
  Adopt(*concat, OCTET_TRY(ParseProduct()));
  while (SkipOperator("~")) Adopt(*concat, OCTET_TRY(ParseProduct()));
  if (concat->children.size() == 1) return std::move(concat->children[0]);
  return Finish(std::move(concat));
}

Parser::ExpressionResult Parser::ParseProduct() {
  const int line = current().line;
  auto left = OCTET_TRY(ParsePower());
  while (IsOperator("*") || IsOperator("/") || IsOperator("//") || IsOperator("%")) {
    const Operator operation = IsOperator("*")    ? Operator::kMultiply
                               : IsOperator("/")  ? Operator::kDivide
                               : IsOperator("//") ? Operator::kFloorDivide
                                                  : Operator::kModulo;
    Advance();
    auto right = OCTET_TRY(ParsePower());
    left = OCTET_TRY(Binary(ExpressionKind::kArithmetic, operation, line, std::move(left), std::move(right)));
  }
  return left;
}

Parser::ExpressionResult Parser::ParsePower() {
  const int line = current().line;
  auto left = OCTET_TRY(ParseUnary());
  while (SkipOperator("**")) {
    auto right = OCTET_TRY(ParseUnary());
    left = OCTET_TRY(Binary(ExpressionKind::kArithmetic, Operator::kPower, line, std::move(left), std::move(right)));
  }
  return left;
}

Parser::ExpressionResult Parser::ParseUnary(bool with_filter) {
  ExpressionPointer expression;
  if (IsOperator("-") || IsOperator("+")) {
    if (nesting_ >= kMaximumNesting)
      return Wrong("blocks and expressions are nested deeper than ", kMaximumNesting, " levels");
    auto sign = NewExpression(IsOperator("-") ? ExpressionKind::kNegate : ExpressionKind::kPositive, current().line);
    Advance();
    ++nesting_;
    ExpressionResult operand = ParseUnary(false);
    --nesting_;
    Adopt(*sign, OCTET_TRY(std::move(operand)));
    expression = OCTET_TRY(Finish(std::move(sign)));
  } else {
    expression = OCTET_TRY(ParsePrimary());
  }
  expression = OCTET_TRY(ParsePostfix(std::move(expression)));
  return with_filter ? ParseFilterChain(std::move(expression)) : ExpressionResult(std::move(expression));
}

Parser::ExpressionResult Parser::ParseName(bool with_namespace) {
  auto expression = NewExpression(ExpressionKind::kName, current().line);
  expression->name = current().text;
  Advance();
  const std::string& name = expression->name;
  const bool is_true = name == "true" || name == "True", is_none = name == "none" || name == "None";
  if (is_true || is_none || name == "false" || name == "False") {
    expression->kind = ExpressionKind::kConstant;
    expression->constant = is_none ? Value::None() : Value::FromBool(is_true);
  } else if (with_namespace && SkipOperator(".")) {
    expression->kind = ExpressionKind::kAttributeTarget;
    expression->attribute = OCTET_TRY(ExpectAnyName());
  } else {
    for (Statement* macro : macros_) {
      macro->uses_caller |= name == "caller";
      macro->uses_named |= name == "kwargs";
      macro->uses_positional |= name == "varargs";
    }
  }
  return expression;
}

Parser::ExpressionResult Parser::ParsePrimary(bool with_namespace) {
  auto constant = NewExpression(ExpressionKind::kConstant, current().line);
  switch (current().type) {
    case TokenType::kName:
      return ParseName(with_namespace);
    case TokenType::kString: {
      std::string text;
      for (; current().type == TokenType::kString; Advance()) text += current().text;
      constant->constant = MakeConstantString(text);
      return constant;
    }
    case TokenType::kInteger:
    case TokenType::kFloat:
      constant->constant = current().number;
      Advance();
      return constant;
    default:
      break;
  }
  if (IsOperator("[")) return ParseList();
  if (IsOperator("{")) return ParseDict();
  if (!SkipOperator("(")) return Wrong("unexpected '", Describe(current()), "'");
  auto inner = OCTET_TRY(ParseTuple({.parenthesized = true}));
  OCTET_TRY(ExpectOperator(")"));
  return inner;
}

Parser::ExpressionResult Parser::ParseList() {
  auto list = NewExpression(ExpressionKind::kList, current().line);
  Advance();
  while (!IsOperator("]")) {
    if (!list->children.empty()) OCTET_TRY(ExpectOperator(","));
    if (IsOperator("]")) break;
    Adopt(*list, OCTET_TRY(ParseExpression()));
  }
  Advance();
  return Finish(std::move(list));
}

Parser::ExpressionResult Parser::ParseDict() {
  auto dict = NewExpression(ExpressionKind::kDict, current().line);
  Advance();
  while (!IsOperator("}")) {
    if (!dict->children.empty()) OCTET_TRY(ExpectOperator(","));
    if (IsOperator("}")) break;
    Adopt(*dict, OCTET_TRY(ParseExpression()));
    OCTET_TRY(ExpectOperator(":"));
    Adopt(*dict, OCTET_TRY(ParseExpression()));
  }
  Advance();
  return Finish(std::move(dict));
}

}  // namespace octet::jinja
