#include "text/vocabulary.h"

#include <bit>

namespace octet {

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  Rehash(tokens_.size() * 2 + 16);
}

void Vocabulary::Rehash(size_t slots) {
  slots_.assign(std::bit_ceil(slots), Slot{});
  used_ = 0;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (!tokens_[id].empty()) Place(static_cast<int32_t>(id));
  }
}

void Vocabulary::Place(int32_t id) {
  const std::string& text = tokens_[static_cast<size_t>(id)];
  const uint64_t hash = HashBytes(text);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == static_cast<uint32_t>(hash >> 32) && tokens_[static_cast<size_t>(slots_[at].id)] == text) {
      slots_[at].id = id;
      return;
    }
  }
  slots_[at] = {static_cast<uint32_t>(hash >> 32), id};
  ++used_;
}

int32_t Vocabulary::FindOr(std::string_view text, int32_t otherwise) const {
  if (slots_.empty() || text.empty()) return otherwise;
  const uint64_t hash = HashBytes(text);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == static_cast<uint32_t>(hash >> 32) && tokens_[static_cast<size_t>(slots_[at].id)] == text) {
      return slots_[at].id;
    }
  }
  return otherwise;
}

void Vocabulary::Insert(std::string_view text, int32_t id) {
  if (text.empty() || id < 0) return;
  if (tokens_.size() <= static_cast<size_t>(id)) tokens_.resize(static_cast<size_t>(id) + 1);
  tokens_[static_cast<size_t>(id)] = text;
  if ((used_ + 1) * 2 > slots_.size()) {
    Rehash(slots_.size() * 2 + 16);
  } else {
    Place(id);
  }
}

}  // namespace octet
