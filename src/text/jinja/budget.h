// What a template may use up before it is stopped: steps, depth, output and the memory of its values.
//
//   OCTET_TRY(budget.Spend(1));              before each step of work
//   OCTET_TRY(budget.Allow(count * size));   before a string or list whose size the template chose is made
//
// Values report their size when they are made and when they die (value.h), so memory is what is alive. A value that
// slipped past Allow is noticed at the next Spend.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/error.h"

namespace octet::jinja {

struct Limits {
  uint64_t steps =
      20'000'000;      // nodes evaluated, items visited, and shares for text; each takes half a microsecond at most
  size_t depth = 400;  // expressions and statements inside each other, macro calls included
  size_t output_bytes = size_t{64} << 20;
  size_t memory_bytes = size_t{512} << 20;
};

// Values inside values; deeper ones are refused, so that no walk over a value can run out of stack.
inline constexpr int kMaximumValueDepth = 200;

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  Status Spend(uint64_t steps);
  // The steps for reading or writing `bytes` as they stand.
  Status SpendBytes(size_t bytes) { return Spend(1 + bytes / 64); }
  // Those for looking for one text in `bytes` of another.
  Status SpendSearch(size_t bytes) { return Spend(1 + bytes / 16); }
  // Those for asking the tables of Unicode about each character of `bytes`.
  Status SpendCharacters(size_t bytes) { return Spend(1 + bytes / 4); }
  // Whether `bytes` more fit into memory; also spends the steps for writing them.
  Status Allow(size_t bytes);
  // The same without steps.
  Status Fit(size_t bytes) const;
  // As Allow, for `bytes` behind a text of `held` that belongs to no value yet: as it moves to a larger place, it is
  // there twice.
  Status AllowBehind(size_t held, size_t bytes);

  // For a value that was made: its bytes were written, whatever was spent for them before.
  void Grow(size_t bytes) {
    alive_ += bytes;
    spent_ += std::min<uint64_t>(bytes / 64, limits_.steps - spent_);
  }
  void Shrink(size_t bytes) { alive_ -= bytes; }

  const Limits& limits() const { return limits_; }
  uint64_t spent() const { return spent_; }

 private:
  Limits limits_;
  uint64_t spent_ = 0;
  size_t alive_ = 0;
};

}  // namespace octet::jinja
