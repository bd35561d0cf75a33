#include "engine/grammar/token_table.h"

#include <algorithm>
#include <utility>

#include "text/token_bytes.h"

namespace octet::grammar {

Result<std::shared_ptr<const TokenTable>> TokenTable::Make(const Tokenizer& tokenizer, size_t vocab) {
  TokenBytes bytes = OCTET_TRY(ReadTokenBytes(tokenizer));
  bytes.inside.resize(vocab);
  if (!bytes.first.empty()) bytes.first.resize(vocab);
  return std::make_shared<const TokenTable>(std::move(bytes.inside), std::move(bytes.first));
}

TokenTable::TokenTable(std::vector<std::string> tokens, std::vector<std::string> first)
    : tokens_(std::move(tokens)), first_(std::move(first)) {
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (!tokens_[id].empty()) order_.push_back(static_cast<int32_t>(id));
    if (!first_.empty() && first_[id] != tokens_[id]) differing_.push_back(static_cast<int32_t>(id));
  }
  std::sort(order_.begin(), order_.end(), [this](int32_t a, int32_t b) {
    const int sign = Bytes(a).compare(Bytes(b));
    return sign != 0 ? sign < 0 : a < b;
  });
  MakeNodes();
}

void TokenTable::MakeNodes() {
  std::vector<uint32_t> open;  // nodes from the root to the last token
  std::string_view last;
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) nodes_[open.back()].behind = static_cast<uint32_t>(nodes_.size());
  };
  for (uint32_t place = 0; place < order_.size(); ++place) {
    const std::string_view bytes = Bytes(order_[place]);
    const size_t common =
        static_cast<size_t>(std::mismatch(last.begin(), last.end(), bytes.begin(), bytes.end()).first - last.begin());
    close_to(common);
    for (size_t depth = common; depth < bytes.size(); ++depth) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(bytes[depth]), .depth = static_cast<uint32_t>(depth)});
    }
    Node& end = nodes_[open.back()];
    if (end.first_token == end.last_token) end.first_token = place;
    end.last_token = place + 1;
    longest_ = std::max(longest_, static_cast<uint32_t>(bytes.size()));
    last = bytes;
  }
  close_to(0);
}

}  // namespace octet::grammar
