// A trie over bytes whose edges lie in one flat hash table: finds every token that a text begins with.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace octet {

class ByteTrie {
 public:
  ByteTrie() { Clear(16); }

  void Insert(std::string_view text, int32_t id);

  // Calls found(bytes, id) for each inserted text that `text` begins with, shortest first.
  template <class Found>
  void ForEachPrefix(std::string_view text, Found&& found) const {
    uint32_t node = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      node = Child(node, static_cast<uint8_t>(text[at]));
      if (node == 0) return;
      if (ids_[node] >= 0) found(at + 1, ids_[node]);
    }
  }

 private:
  struct Edge {
    uint64_t key = UINT64_MAX;  // parent << 8 | byte
    uint32_t node = 0;
  };

  void Clear(size_t edges);
  size_t Find(uint64_t key) const {
    size_t at = (key * 0x9E3779B97F4A7C15) >> 32 & (edges_.size() - 1);
    while (edges_[at].key != key && edges_[at].key != UINT64_MAX) at = (at + 1) & (edges_.size() - 1);
    return at;
  }
  uint32_t Child(uint32_t node, uint8_t byte) const {
    return edges_[Find(static_cast<uint64_t>(node) << 8 | byte)].node;  // an empty edge leads to 0, which is no child
  }
  void Grow();

  std::vector<Edge> edges_;
  std::vector<int32_t> ids_;  // by node, -1 where no text ends
};

}  // namespace octet
