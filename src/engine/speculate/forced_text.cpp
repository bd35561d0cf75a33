#include "engine/speculate/forced_text.h"

#include <algorithm>

namespace octet {
namespace {

constexpr size_t kBytesPerToken = 16;  // of text that is looked at; names have fewer

// The longest token with which the text begins, or -1.
int32_t LongestToken(const grammar::TokenTable& table, std::string_view text) {
  const auto nodes = table.nodes();
  int32_t longest = -1;
  uint32_t end = static_cast<uint32_t>(nodes.size());
  for (uint32_t node = 0, depth = 0; node < end && depth < text.size();) {
    if (nodes[node].byte != static_cast<uint8_t>(text[depth])) {
      node = nodes[node].behind;
      continue;
    }
    if (nodes[node].first_token < nodes[node].last_token) longest = table.tokens_in_order()[nodes[node].first_token];
    end = nodes[node].behind;
    ++node;
    ++depth;
  }
  return longest;
}

}  // namespace

void DraftText(std::string_view text, const Tokenizer& tokenizer, const grammar::TokenTable& table, size_t most,
               std::vector<int32_t>& draft) {
  text = text.substr(0, most * kBytesPerToken);
  const std::vector<int32_t> ids = tokenizer.Encode(text, {.add_special = false, .parse_special = false});
  std::string spelt;
  for (const int32_t id : ids) spelt += table.Bytes(id);
  if (spelt == text) {
    draft.insert(draft.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(most, ids.size())));
    return;
  }
  for (size_t i = 0; i < most && !text.empty(); ++i) {
    const int32_t token = LongestToken(table, text);
    if (token < 0) return;
    draft.push_back(token);
    text.remove_prefix(table.Bytes(token).size());
  }
}

}  // namespace octet
