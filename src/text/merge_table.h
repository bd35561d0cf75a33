// Which pairs of tokens merge, how early, and into what: a flat hash table.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace octet {

class MergeTable {
 public:
  struct Merge {
    uint32_t rank = 0;
    int32_t merged = -1;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  explicit MergeTable(size_t merges = 0) : slots_(std::bit_ceil(merges + merges / 2 + 2)) {}

  // A pair that comes twice keeps the later rank.
  void Insert(int32_t left, int32_t right, Merge merge) {
    const uint64_t key = Key(left, right);
    Slot& slot = slots_[Find(key)];
    slot = {key, merge};
  }

  // rank is kNoRank where the pair doesn't merge.
  Merge Look(int32_t left, int32_t right) const {
    const uint64_t key = Key(left, right);
    const Slot& slot = slots_[Find(key)];
    return slot.key == key ? slot.merge : Merge{kNoRank, -1};
  }

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;  // no key: ids are below 2^31
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };

  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t Find(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t at = (key * 0x9E3779B97F4A7C15) >> 32 & mask;
    while (slots_[at].key != key && slots_[at].key != kEmpty) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace octet
