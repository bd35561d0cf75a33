// What stands behind an operand: subscripts, calls, filters and tests (parser.h).
#include <utility>

#include "text/jinja/natives.h"
#include "text/jinja/parser.h"

namespace octet::jinja {

Parser::ExpressionResult Parser::ParsePostfix(ExpressionPointer subject) {
  while (true) {
    if (IsOperator(".") || IsOperator("[")) {
      subject = OCTET_TRY(ParseSubscript(std::move(subject)));
    } else if (IsOperator("(")) {
      subject = OCTET_TRY(ParseCall(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Parser::ExpressionResult Parser::ParseFilterChain(ExpressionPointer subject) {
  while (true) {
    if (IsOperator("|")) {
      subject = OCTET_TRY(ParseFilters(std::move(subject), false));
    } else if (IsName("is")) {
      subject = OCTET_TRY(ParseTest(std::move(subject)));
    } else if (IsOperator("(")) {
      subject = OCTET_TRY(ParseCall(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Parser::ExpressionResult Parser::ParseSubscript(ExpressionPointer subject) {
  auto item = NewExpression(ExpressionKind::kItem, current().line);
  if (SkipOperator(".")) {
    if (current().type == TokenType::kName) {
      item->kind = ExpressionKind::kAttribute;
      item->name = current().text;
      Adopt(*item, std::move(subject));
    } else if (current().type == TokenType::kInteger) {
      auto index = NewExpression(ExpressionKind::kConstant, current().line);
      index->constant = current().number;
      Adopt(*item, std::move(subject));
      Adopt(*item, std::move(index));
    } else {
      return Wrong("expected name or number");
    }
    Advance();
    return Finish(std::move(item));
  }
  Advance();  // [
  auto keys = NewExpression(ExpressionKind::kTuple, current().line);
  while (!IsOperator("]")) {
    if (!keys->children.empty()) OCTET_TRY(ExpectOperator(","));
    Adopt(*keys, OCTET_TRY(ParseSubscribed()));
  }
  Advance();
  Adopt(*item, std::move(subject));
  Adopt(*item, keys->children.size() == 1 ? std::move(keys->children[0]) : std::move(keys));
  return Finish(std::move(item));
}

Parser::ExpressionResult Parser::ParseSubscribed() {
  auto slice = NewExpression(ExpressionKind::kSlice, current().line);
  ExpressionPointer start, stop, step;
  if (!IsOperator(":")) {
    start = OCTET_TRY(ParseExpression());
    if (!IsOperator(":")) return start;
  }
  Advance();  // :
  const auto at_end = [this] { return IsOperator("]") || IsOperator(","); };
  if (!IsOperator(":") && !at_end()) stop = OCTET_TRY(ParseExpression());
  if (SkipOperator(":") && !at_end()) step = OCTET_TRY(ParseExpression());
  Adopt(*slice, std::move(start));
  Adopt(*slice, std::move(stop));
  Adopt(*slice, std::move(step));
  return Finish(std::move(slice));
}

Status Parser::ParseArguments(Expression& call) {
  const int line = current().line;
  OCTET_TRY(ExpectOperator("("));
  const auto wrong = [&] { return WrongAt(line, "invalid syntax for function call expression"); };
  const auto keep_height = [&](const ExpressionPointer& child) {
    call.height = std::max(call.height, child->height + 1);
  };
  bool first = true;
  while (!IsOperator(")")) {
    if (!first) OCTET_TRY(ExpectOperator(","));
    if (!first && IsOperator(")")) break;
    first = false;
    if (SkipOperator("*")) {
      if (call.star != nullptr || call.star_star != nullptr) return wrong();
      call.star = OCTET_TRY(ParseExpression());
      keep_height(call.star);
    } else if (SkipOperator("**")) {
      if (call.star_star != nullptr) return wrong();
      call.star_star = OCTET_TRY(ParseExpression());
      keep_height(call.star_star);
    } else if (current().type == TokenType::kName && next().type == TokenType::kOperator && next().text == "=") {
      if (call.star_star != nullptr) return wrong();
      std::string name = current().text;
      for (const auto& argument : call.named) {
        if (argument.first == name) return Wrong("keyword argument repeated: ", name);
      }
      Advance();
      Advance();
      call.named.emplace_back(std::move(name), OCTET_TRY(ParseExpression()));
      keep_height(call.named.back().second);
    } else {
      if (call.star != nullptr || call.star_star != nullptr || !call.named.empty()) return wrong();
      Adopt(call, OCTET_TRY(ParseExpression()));
    }
  }
  return ExpectOperator(")");
}

Parser::ExpressionResult Parser::ParseCall(ExpressionPointer callee) {
  auto call = NewExpression(ExpressionKind::kCall, current().line);
  Adopt(*call, std::move(callee));
  OCTET_TRY(ParseArguments(*call));
  return Finish(std::move(call));
}

// One or more filters. `starts_with_name`: the first has no | before it, as in a filter block.
Parser::ExpressionResult Parser::ParseFilters(ExpressionPointer subject, bool starts_with_name) {
  while (starts_with_name || IsOperator("|")) {
    if (!starts_with_name) Advance();
    starts_with_name = false;
    auto filter = NewExpression(ExpressionKind::kFilter, current().line);
    filter->name = OCTET_TRY(ExpectAnyName());
    while (SkipOperator(".")) filter->name += "." + OCTET_TRY(ExpectAnyName());
    filter->native = FindFilter(filter->name);
    if (!surroundings_.soft && filter->native == nullptr) {
      return WrongAt(filter->line, "No filter named '", filter->name, "'");
    }
    Adopt(*filter, std::move(subject));
    if (IsOperator("(")) OCTET_TRY(ParseArguments(*filter));
    subject = OCTET_TRY(Finish(std::move(filter)));
  }
  return subject;
}

Parser::ExpressionResult Parser::ParseTest(ExpressionPointer subject) {
  auto test = NewExpression(ExpressionKind::kTest, current().line);
  Advance();  // is
  const bool negated = SkipName("not");
  test->name = OCTET_TRY(ExpectAnyName());
  while (SkipOperator(".")) test->name += "." + OCTET_TRY(ExpectAnyName());
  test->native = FindTest(test->name);
  if (!surroundings_.soft && test->native == nullptr) return WrongAt(test->line, "No test named '", test->name, "'");
  Adopt(*test, std::move(subject));
  const TokenType type = current().type;
  if (IsOperator("(")) {
    OCTET_TRY(ParseArguments(*test));
  } else if ((type == TokenType::kName && !IsName("else") && !IsName("or") && !IsName("and")) ||
             type == TokenType::kString || type == TokenType::kInteger || type == TokenType::kFloat ||
             IsOperator("[") || IsOperator("{")) {
    if (IsName("is")) return Wrong("You cannot chain multiple tests with is");
    auto argument = OCTET_TRY(ParsePrimary());
    Adopt(*test, OCTET_TRY(ParsePostfix(std::move(argument))));
  }
  auto finished = OCTET_TRY(Finish(std::move(test)));
  if (!negated) return finished;
  auto negation = NewExpression(ExpressionKind::kNot, finished->line);
  Adopt(*negation, std::move(finished));
  return Finish(std::move(negation));
}

}  // namespace octet::jinja
