// The tokens that untrusted text must not yield, whatever the vocabulary says.
//
//   if (guard != nullptr && guard->Holds(id)) continue;    // cut the word another way
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace octet {

class TokenGuard {
 public:
  TokenGuard() = default;
  // By id; ids beyond the list aren't held.
  explicit TokenGuard(std::vector<bool> held) : held_(std::move(held)) {}

  bool Holds(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < held_.size() && held_[static_cast<size_t>(id)];
  }

 private:
  std::vector<bool> held_;
};

}  // namespace octet
