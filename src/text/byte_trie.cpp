#include "text/byte_trie.h"

#include <bit>

namespace octet {

void ByteTrie::Clear(size_t edges) {
  edges_.assign(std::bit_ceil(edges), Edge{});
  ids_.assign(1, -1);
}

void ByteTrie::Grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  for (const Edge& edge : old) {
    if (edge.key != UINT64_MAX) edges_[Find(edge.key)] = edge;
  }
}

void ByteTrie::Insert(std::string_view text, int32_t id) {
  uint32_t node = 0;
  for (const char c : text) {
    const uint64_t key = static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(c);
    size_t at = Find(key);
    if (edges_[at].key == UINT64_MAX) {
      if (ids_.size() * 2 > edges_.size()) {
        Grow();
        at = Find(key);
      }
      edges_[at] = {key, static_cast<uint32_t>(ids_.size())};
      ids_.push_back(-1);
    }
    node = edges_[at].node;
  }
  ids_[node] = id;
}

}  // namespace octet
