// Statements of the template language (parser.h).
#include <algorithm>
#include <utility>

#include "text/jinja/parser.h"

namespace octet::jinja {

Result<Block> ParseTemplate(std::string_view source, std::string_view where) {
  std::vector<Token> tokens = OCTET_TRY(Tokenize(source, where));
  return Parser(std::move(tokens), where).ParseBlock({});
}

bool Parser::SkipOperator(std::string_view symbol) {
  const bool found = IsOperator(symbol);
  if (found) Advance();
  return found;
}

bool Parser::SkipName(std::string_view name) {
  const bool found = IsName(name);
  if (found) Advance();
  return found;
}

std::string Parser::Describe(const Token& token) const {
  switch (token.type) {
    case TokenType::kData:
      return "template data / text";
    case TokenType::kPrintBegin:
      return "begin of print statement";
    case TokenType::kPrintEnd:
      return "end of print statement";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kEnd:
      return "end of template";
    default:
      return token.text;
  }
}

Status Parser::ExpectOperator(std::string_view symbol) {
  if (!IsOperator(symbol)) return Wrong("expected '", symbol, "', got '", Describe(current()), "'");
  Advance();
  return {};
}

Status Parser::ExpectName(std::string_view name) {
  if (!IsName(name)) return Wrong("expected '", name, "', got '", Describe(current()), "'");
  Advance();
  return {};
}

Result<std::string> Parser::ExpectAnyName() {
  if (current().type != TokenType::kName) return Wrong("expected a name, got '", Describe(current()), "'");
  std::string name = current().text;
  Advance();
  return name;
}

std::unique_ptr<Statement> Parser::NewStatement(StatementKind kind) const {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = current().line;
  return statement;
}

Result<Block> Parser::ParseBlock(const std::vector<std::string_view>& end_tags) {
  Block block;
  while (current().type != TokenType::kEnd) {
    if (current().type == TokenType::kData) {
      auto text = NewStatement(StatementKind::kText);
      text->text = MakeConstantString(current().text);
      Advance();
      block.push_back(std::move(text));
    } else if (current().type == TokenType::kPrintBegin) {
      block.push_back(OCTET_TRY(ParsePrintOutput()));
    } else {
      Advance();  // {%
      if (std::any_of(end_tags.begin(), end_tags.end(), [&](std::string_view tag) { return IsName(tag); }))
        return block;
      block.push_back(OCTET_TRY(ParseStatement()));
      if (current().type != TokenType::kBlockEnd)
        return Wrong("expected 'end of statement block', got '", Describe(current()), "'");
      Advance();
    }
  }
  if (end_tags.empty()) return block;
  return Wrong("Unexpected end of template. Jinja was looking for '", end_tags.back(), "' of the '", open_tags_.back(),
               "' block");
}

Parser::StatementResult Parser::ParsePrintOutput() {
  auto print = NewStatement(StatementKind::kPrint);
  Advance();
  print->value = OCTET_TRY(ParseTuple({}));
  if (current().type != TokenType::kPrintEnd)
    return Wrong("expected 'end of print statement', got '", Describe(current()), "'");
  Advance();
  return print;
}

// The body of a statement, from behind its tag's last token up to one of the end tags, which becomes the current token.
Result<Block> Parser::ParseBody(const std::vector<std::string_view>& end_tags, Surroundings surroundings) {
  SkipOperator(":");
  if (current().type != TokenType::kBlockEnd)
    return Wrong("expected 'end of statement block', got '", Describe(current()), "'");
  Advance();
  const Surroundings outer = std::exchange(surroundings_, surroundings);
  Result<Block> block = ParseBlock(end_tags);
  surroundings_ = outer;
  return block;
}

Parser::StatementResult Parser::ParseStatement() {
  if (current().type != TokenType::kName) return Wrong("tag name expected");
  if (nesting_ >= kMaximumNesting)
    return Wrong("blocks and expressions are nested deeper than ", kMaximumNesting, " levels");
  ++nesting_;
  open_tags_.push_back(current().text);
  StatementResult statement = ParseKnownStatement(current().text);
  open_tags_.pop_back();
  --nesting_;
  return statement;
}

Parser::StatementResult Parser::ParseKnownStatement(const std::string& name) {
  if (name == "if") return ParseIf();
  if (name == "for") return ParseFor();
  if (name == "set") return ParseSet();
  if (name == "macro") return ParseMacro();
  if (name == "call") return ParseCallBlock();
  if (name == "filter") return ParseFilterBlock();
  if (name == "with") return ParseWith();
  if (name == "print") return ParsePrintStatement();
  if (name == "break") return ParseLoopControl(StatementKind::kBreak);
  if (name == "continue") return ParseLoopControl(StatementKind::kContinue);
  if (name == "generation" || name == "block" || name == "autoescape") return ParseScope(name);
  if (name == "include" || name == "import" || name == "from" || name == "extends") return ParseUnsupported();
  return Wrong("Encountered unknown tag '", name, "'");
}

Parser::StatementResult Parser::ParseIf() {
  auto statement = NewStatement(StatementKind::kIf);
  Surroundings inside = surroundings_;
  inside.soft = true;
  const Surroundings outer = surroundings_;
  do {
    Advance();  // if, elif
    surroundings_ = inside;
    auto condition = ParseTuple({.with_conditional = false});
    surroundings_ = outer;
    if (!condition) return tl::unexpected<Error>(std::move(condition).error());
    Block body = OCTET_TRY(ParseBody({"elif", "else", "endif"}, inside));
    statement->branches.push_back({std::move(*condition), std::move(body)});
  } while (IsName("elif"));
  if (SkipName("else")) statement->otherwise = OCTET_TRY(ParseBody({"endif"}, inside));
  Advance();  // endif
  return statement;
}

Parser::StatementResult Parser::ParseFor() {
  auto statement = NewStatement(StatementKind::kFor);
  Advance();
  statement->target = OCTET_TRY(ParseTarget({.targets_only = true, .end_name = "in"}));
  OCTET_TRY(ExpectName("in"));
  statement->value = OCTET_TRY(ParseTuple({.with_conditional = false, .end_name = "recursive"}));
  if (SkipName("if")) statement->condition = OCTET_TRY(ParseExpression());
  statement->recursive = SkipName("recursive");
  // A recursive loop's body is a function of its own in jinja2, whose loop `break` still ends.
  statement->body = OCTET_TRY(ParseBody({"endfor", "else"}, {.in_loop = true}));
  if (SkipName("else")) statement->otherwise = OCTET_TRY(ParseBody({"endfor"}, {.in_loop = surroundings_.in_loop}));
  Advance();
  return statement;
}

Parser::StatementResult Parser::ParseSet() {
  auto statement = NewStatement(StatementKind::kSet);
  Advance();
  statement->target = OCTET_TRY(ParseTarget({.targets_only = true, .with_namespace = true}));
  if (SkipOperator("=")) {
    statement->value = OCTET_TRY(ParseTuple({}));
    return statement;
  }
  statement->kind = StatementKind::kSetBlock;
  if (IsOperator("|")) statement->value = OCTET_TRY(ParseFilters(nullptr, false));
  statement->body = OCTET_TRY(ParseBody({"endset"}, {.in_loop = surroundings_.in_loop}));
  Advance();
  return statement;
}

Status Parser::ParseSignature(Statement& macro) {
  OCTET_TRY(ExpectOperator("("));
  while (!IsOperator(")")) {
    if (!macro.parameters.empty()) OCTET_TRY(ExpectOperator(","));
    Parameter parameter{OCTET_TRY(ExpectAnyName()), nullptr};
    if (SkipOperator("=")) {
      parameter.otherwise = OCTET_TRY(ParseExpression());
    } else if (!macro.parameters.empty() && macro.parameters.back().otherwise != nullptr) {
      return Wrong("non-default argument follows default argument");
    }
    macro.parameters.push_back(std::move(parameter));
  }
  return ExpectOperator(")");
}

Status Parser::ParseMacroBody(Statement& macro, std::string_view end_tag) {
  macros_.push_back(&macro);
  Result<Block> body = ParseBody({end_tag}, {});
  macros_.pop_back();
  macro.body = OCTET_TRY(std::move(body));
  Advance();
  return {};
}

Parser::StatementResult Parser::ParseMacro() {
  auto statement = NewStatement(StatementKind::kMacro);
  Advance();
  statement->name = OCTET_TRY(ExpectAnyName());
  OCTET_TRY(ParseSignature(*statement));
  OCTET_TRY(ParseMacroBody(*statement, "endmacro"));
  return statement;
}

Parser::StatementResult Parser::ParseCallBlock() {
  auto statement = NewStatement(StatementKind::kCallBlock);
  Advance();
  if (IsOperator("(")) OCTET_TRY(ParseSignature(*statement));
  statement->value = OCTET_TRY(ParseExpression());
  if (statement->value->kind != ExpressionKind::kCall) return WrongAt(statement->line, "expected call");
  OCTET_TRY(ParseMacroBody(*statement, "endcall"));
  return statement;
}

Parser::StatementResult Parser::ParseFilterBlock() {
  auto statement = NewStatement(StatementKind::kFilterBlock);
  Advance();
  statement->value = OCTET_TRY(ParseFilters(nullptr, true));
  statement->body = OCTET_TRY(ParseBody({"endfilter"}, {.in_loop = surroundings_.in_loop}));
  Advance();
  return statement;
}

Parser::StatementResult Parser::ParseWith() {
  auto statement = NewStatement(StatementKind::kWith);
  Advance();
  while (current().type != TokenType::kBlockEnd) {
    if (!statement->assignments.empty()) OCTET_TRY(ExpectOperator(","));
    auto target = OCTET_TRY(ParseTarget({.targets_only = true}));
    OCTET_TRY(ExpectOperator("="));
    auto value = OCTET_TRY(ParseExpression());
    statement->assignments.emplace_back(std::move(target), std::move(value));
  }
  statement->body = OCTET_TRY(ParseBody({"endwith"}, {.in_loop = surroundings_.in_loop}));
  Advance();
  return statement;
}

// Blocks whose body is a scope: `generation` only marks training spans, `block` has nothing to override it here.
Parser::StatementResult Parser::ParseScope(const std::string& name) {
  auto statement = NewStatement(StatementKind::kScope);
  Advance();
  if (name == "block") {
    statement->name = OCTET_TRY(ExpectAnyName());
    SkipName("scoped");
    SkipName("required");
  } else if (name == "autoescape") {
    const auto setting = OCTET_TRY(ParseExpression());
    if (setting->kind != ExpressionKind::kConstant || IsTrue(setting->constant)) {
      return WrongAt(statement->line, "autoescape is not supported, chat templates are not HTML");
    }
  }
  const std::string end_tag = "end" + name;
  statement->body = OCTET_TRY(ParseBody({end_tag}, {.in_loop = name == "autoescape" && surroundings_.in_loop}));
  Advance();
  if (name == "block") SkipName(statement->name);
  return statement;
}

Parser::StatementResult Parser::ParseLoopControl(StatementKind kind) {
  auto statement = NewStatement(kind);
  if (!surroundings_.in_loop) return Wrong("'", current().text, "' outside loop");
  Advance();
  return statement;
}

Parser::StatementResult Parser::ParsePrintStatement() {
  auto statement = NewStatement(StatementKind::kPrint);
  auto parts = NewExpression(ExpressionKind::kConcat, current().line);
  Advance();
  while (current().type != TokenType::kBlockEnd) {
    if (!parts->children.empty()) OCTET_TRY(ExpectOperator(","));
    Adopt(*parts, OCTET_TRY(ParseExpression()));
  }
  statement->value = OCTET_TRY(Finish(std::move(parts)));
  return statement;
}

Parser::StatementResult Parser::ParseUnsupported() {
  auto statement = NewStatement(StatementKind::kUnsupported);
  statement->name = current().text;
  while (current().type != TokenType::kBlockEnd && current().type != TokenType::kEnd) Advance();
  return statement;
}

}  // namespace octet::jinja
