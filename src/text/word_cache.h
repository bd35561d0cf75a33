// Ids of words seen before: short words with few tokens, in a fixed table where a new word displaces an older one.
//
//   WordCache::Entry& entry = cache.Find(word);
//   if (entry.Holds(word)) return entry.ids;
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace octet {

class WordCache {
 public:
  static constexpr size_t kLongestWord = 16;
  static constexpr size_t kMostIds = 7;

  struct Key {
    uint64_t low = 0;
    uint64_t high = 0;
    uint32_t size = 0;
  };
  struct Entry {
    uint64_t low = 0;
    uint64_t high = 0;
    uint16_t size = 0;  // bytes of the word, 0 where the entry is free
    uint16_t count = 0;
    int32_t ids[kMostIds] = {};

    bool Holds(const Key& key) const { return low == key.low && high == key.high && size == key.size; }
  };

  // Requires a word of 1..kLongestWord bytes.
  static Key MakeKey(std::string_view word) {
    Key key;
    key.size = static_cast<uint32_t>(word.size());
    if (word.size() >= 8) {
      std::memcpy(&key.low, word.data(), 8);
      std::memcpy(&key.high, word.data() + word.size() - 8, 8);
    } else {
      std::memcpy(&key.low, word.data(), word.size());
    }
    return key;
  }

  Entry& Find(const Key& key) {
    if (entries_.empty()) entries_.resize(kEntries);
    uint64_t hash = (key.low ^ key.size) * 0x9E3779B97F4A7C15;
    hash = (hash ^ hash >> 32 ^ key.high) * 0xD6E8FEB86659FD93;
    return entries_[hash >> (64 - kEntriesLog)];
  }

  static void Store(const Key& key, std::span<const int32_t> ids, Entry& entry) {
    if (ids.size() > kMostIds) return;
    entry.low = key.low;
    entry.high = key.high;
    entry.size = static_cast<uint16_t>(key.size);
    entry.count = static_cast<uint16_t>(ids.size());
    std::memcpy(entry.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr int kEntriesLog = 15;
  static constexpr size_t kEntries = size_t{1} << kEntriesLog;

  std::vector<Entry> entries_;
};

}  // namespace octet
