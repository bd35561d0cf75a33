// The bytes of a vocabulary's tokens as a tree, for walking all of them through an automaton.
//
//   std::shared_ptr<const TokenTable> tokens = OCTET_TRY(TokenTable::Make(tokenizer, vocab));
//   std::string_view bytes = tokens->Bytes(id);
//
// Special tokens, tokens that look like control tokens and ids without text are left out: a grammar never allows them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet {
class Tokenizer;
}

namespace octet::grammar {

class TokenTable {
 public:
  // `vocab`: of the model's logits, which may have more than the tokenizer's. Fails with unsupported where the text of
  // a token depends on those beside it.
  static Result<std::shared_ptr<const TokenTable>> Make(const Tokenizer& tokenizer, size_t vocab);
  // tokens[id]: its bytes, empty where it is never allowed. first[id], where given: its bytes at the start of a text.
  TokenTable(std::vector<std::string> tokens, std::vector<std::string> first);

  size_t vocab() const { return tokens_.size(); }
  std::string_view Bytes(int32_t id) const { return Text(tokens_, id); }
  // A tokenizer may drop a space from the first token of a text.
  std::string_view FirstBytes(int32_t id) const { return Text(first_.empty() ? tokens_ : first_, id); }
  // Tokens whose bytes differ at the start of a text.
  const std::vector<int32_t>& differing() const { return differing_; }

  // A byte behind those of its parent. Nodes stand in the order of a walk that goes down first.
  struct Node {
    uint8_t byte = 0;
    uint32_t depth = 0;        // of the root's children 0
    uint32_t behind = 0;       // the next node that isn't below this one
    uint32_t first_token = 0;  // in tokens_in_order; those that end here
    uint32_t last_token = 0;   // behind them
  };
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int32_t> tokens_in_order() const { return order_; }
  uint32_t longest() const { return longest_; }

 private:
  static std::string_view Text(const std::vector<std::string>& texts, int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < texts.size() ? std::string_view(texts[static_cast<size_t>(id)])
                                                             : std::string_view();
  }
  void MakeNodes();

  std::vector<std::string> tokens_, first_;
  std::vector<int32_t> order_;  // sorted by bytes, then id
  std::vector<int32_t> differing_;
  std::vector<Node> nodes_;
  uint32_t longest_ = 0;
};

}  // namespace octet::grammar
