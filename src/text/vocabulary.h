// The tokens of a vocabulary by id and by text.
//
//   Vocabulary vocabulary(std::move(tokens));
//   std::optional<int32_t> id = vocabulary.Find("the");
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

// A mixing hash of short strings, good enough for open addressing.
inline uint64_t HashBytes(std::string_view bytes) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  uint64_t hash = bytes.size() * kMultiplier;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  }
  uint64_t word = 0;
  if (left > 0) std::memcpy(&word, at, left);
  // Two rounds: the low bits, which choose the slot, must depend on every byte.
  hash = (hash ^ word) * kMultiplier;
  hash = (hash ^ hash >> 32) * kMultiplier;
  return hash ^ hash >> 29;
}

class Vocabulary {
 public:
  Vocabulary() = default;
  // tokens[id] is the text of an id, empty where the id is unused. Of equal texts the last one is found.
  explicit Vocabulary(std::vector<std::string> tokens);

  std::optional<int32_t> Find(std::string_view text) const {
    const int32_t id = FindOr(text, -1);
    return id < 0 ? std::nullopt : std::optional<int32_t>(id);
  }
  int32_t FindOr(std::string_view text, int32_t otherwise) const;

  // Adds a text, or finds the id that it has.
  void Insert(std::string_view text, int32_t id);

  std::string_view Text(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < tokens_.size() ? std::string_view(tokens_[static_cast<size_t>(id)])
                                                               : std::string_view();
  }
  size_t size() const { return tokens_.size(); }
  const std::vector<std::string>& tokens() const { return tokens_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };

  void Rehash(size_t slots);
  void Place(int32_t id);

  std::vector<std::string> tokens_;
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace octet
