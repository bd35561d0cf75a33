// The parser of templates: tokens to syntax tree, with jinja2's grammar and precedence.
//
//   Block body = OCTET_TRY(ParseTemplate(source, "chat_template.jinja"));
//
// Refuses nesting deeper than kMaximumNesting and trees higher than kMaximumHeight, so neither the parser nor what
// walks the tree can run out of stack.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace octet::jinja {

inline constexpr int kMaximumNesting = 100;
inline constexpr int kMaximumHeight = 300;

// Fails with corrupt, naming `where` and the line.
Result<Block> ParseTemplate(std::string_view source, std::string_view where);

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view where) : tokens_(std::move(tokens)), where_(where) {}

  // Statements up to one of the tags, which is then the current token, or to the end of the template where there are
  // none.
  Result<Block> ParseBlock(const std::vector<std::string_view>& end_tags);

 private:
  // Which of the enclosing statements matter to the ones inside.
  struct Surroundings {
    bool in_loop = false;  // break and continue are allowed
    bool soft = false;     // inside an `if`, where an unknown filter is an error only once it is reached
  };

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void Advance() { at_ += at_ + 1 < tokens_.size() ? 1 : 0; }
  bool IsOperator(std::string_view symbol) const {
    return current().type == TokenType::kOperator && current().text == symbol;
  }
  bool IsName(std::string_view name) const { return current().type == TokenType::kName && current().text == name; }
  bool IsNameAt(size_t ahead, std::string_view name) const {
    return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].type == TokenType::kName &&
           tokens_[at_ + ahead].text == name;
  }
  bool SkipOperator(std::string_view symbol);
  bool SkipName(std::string_view name);
  Status ExpectOperator(std::string_view symbol);
  Status ExpectName(std::string_view name);
  Result<std::string> ExpectAnyName();
  std::string Describe(const Token& token) const;
  template <class... Parts>
  tl::unexpected<Error> WrongAt(int line, const Parts&... parts) const {
    return Fail(ErrorCode::kCorrupt, where_, ":", line, ": ", parts...);
  }
  template <class... Parts>
  tl::unexpected<Error> Wrong(const Parts&... parts) const {
    return WrongAt(current().line, parts...);
  }

  // parse_statement.cpp
  using StatementResult = Result<std::unique_ptr<Statement>>;
  StatementResult ParseStatement();
  StatementResult ParseKnownStatement(const std::string& name);
  Result<Block> ParseBody(const std::vector<std::string_view>& end_tags, Surroundings surroundings);
  StatementResult ParsePrintOutput();
  StatementResult ParseIf();
  StatementResult ParseFor();
  StatementResult ParseSet();
  StatementResult ParseMacro();
  StatementResult ParseCallBlock();
  StatementResult ParseFilterBlock();
  StatementResult ParseWith();
  StatementResult ParseScope(const std::string& name);
  StatementResult ParseLoopControl(StatementKind kind);
  StatementResult ParsePrintStatement();
  StatementResult ParseUnsupported();
  Status ParseSignature(Statement& macro);
  Status ParseMacroBody(Statement& macro, std::string_view end_tag);
  std::unique_ptr<Statement> NewStatement(StatementKind kind) const;

  // parse_expression.cpp
  using ExpressionResult = Result<ExpressionPointer>;
  struct TupleRules {
    bool with_conditional = true;
    bool targets_only = false;  // names and literals alone, for the left of an assignment
    bool with_namespace = false;
    bool parenthesized = false;
    std::string_view end_name = {};  // a name that ends the tuple, as `in` of a loop
  };
  ExpressionResult ParseExpression(bool with_conditional = true);
  ExpressionResult ParseTuple(const TupleRules& rules);
  ExpressionResult ParseTarget(const TupleRules& rules);
  ExpressionResult ParseConditional();
  ExpressionResult ParseOr();
  ExpressionResult ParseAnd();
  ExpressionResult ParseNot();
  ExpressionResult ParseCompare();
  ExpressionResult ParseSum();
  ExpressionResult ParseConcat();
  ExpressionResult ParseProduct();
  ExpressionResult ParsePower();
  ExpressionResult ParseUnary(bool with_filter = true);
  ExpressionResult ParsePrimary(bool with_namespace = false);
  ExpressionResult ParseName(bool with_namespace);
  ExpressionResult ParseList();
  ExpressionResult ParseDict();
  ExpressionResult ParsePostfix(ExpressionPointer subject);
  ExpressionResult ParseFilterChain(ExpressionPointer subject);
  ExpressionResult ParseSubscript(ExpressionPointer subject);
  ExpressionResult ParseSubscribed();
  ExpressionResult ParseCall(ExpressionPointer callee);
  ExpressionResult ParseFilters(ExpressionPointer subject, bool starts_with_name);
  ExpressionResult ParseTest(ExpressionPointer subject);
  Status ParseArguments(Expression& call);
  bool AtTupleEnd(const TupleRules& rules) const;
  static ExpressionPointer NewExpression(ExpressionKind kind, int line);
  // Adds a child and keeps the height; Finish refuses a tree that became too high.
  static void Adopt(Expression& parent, ExpressionPointer child);
  ExpressionResult Finish(ExpressionPointer expression) const;
  ExpressionResult Binary(ExpressionKind kind, Operator operation, int line, ExpressionPointer left,
                          ExpressionPointer right) const;

  std::vector<Token> tokens_;
  std::string_view where_;
  size_t at_ = 0;
  int nesting_ = 0;
  Surroundings surroundings_;
  std::vector<std::string_view> open_tags_;
  std::vector<Statement*> macros_;  // the macros around, innermost last
};

}  // namespace octet::jinja
