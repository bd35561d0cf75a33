// The bytes that each token adds to a text, for whoever must know them before the token is chosen.
//
//   TokenBytes bytes = OCTET_TRY(ReadTokenBytes(tokenizer));
//   bytes.inside[id]
//
// A byte of a character that several tokens make together is given as that byte, though a decoder holds it back.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace octet {

// By id below vocab_size(); empty for special tokens, for those that look like control tokens and for unused ids.
struct TokenBytes {
  std::vector<std::string> inside;  // behind other tokens
  std::vector<std::string> first;   // at the start of a text; empty where that makes no difference
};

// Fails with unsupported where what a token adds depends on other tokens than whether there are any (WordPiece, words
// joined by spaces, replacements that run over several tokens).
Result<TokenBytes> ReadTokenBytes(const Tokenizer& tokenizer);

}  // namespace octet
