// A template's source cut into tokens, as jinja2 does with trim_blocks and lstrip_blocks.
//
//   std::vector<Token> tokens = OCTET_TRY(Tokenize(source, "chat_template.jinja"));
//
// Comments, raw blocks and whitespace control (- and +) are dealt with here: what is left is data, names and operators.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace octet::jinja {

enum class TokenType : uint8_t {
  kData,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenType type = TokenType::kEnd;
  int line = 1;
  std::string text;  // data, name, operator, or the string after its escapes
  Value number;      // of kInteger and kFloat
};

// Ends with kEnd. Fails with corrupt, naming `where` and the line.
Result<std::vector<Token>> Tokenize(std::string_view source, std::string_view where);

}  // namespace octet::jinja
