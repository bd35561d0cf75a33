// What a model will take of memory, before it is loaded.
//
//   MemoryPlan plan = OCTET_TRY(PlanMemory(files, {.context = 4096, .users = 4}));
//   Print(plan.Total(), " bytes");
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "engine/model_files.h"
#include "kernels/layout.h"

namespace octet {

struct MemoryWish {
  size_t context = 0;  // of each user; 0: what the model was made for
  size_t users = 1;
  size_t chunk = 128;                              // most tokens in one forward pass
  std::optional<kernels::CacheFormat> cache = {};  // absent: BF16, FP32 where all weights are
};

// Bytes; kilobytes of the program itself and of its tokenizer are not in it.
struct MemoryPlan {
  uint64_t weights = 0;
  uint64_t cache_per_token = 0;
  uint64_t cache = 0;      // where every user's context is full
  uint64_t workspace = 0;  // of one forward pass, with the logits and what sampling needs
  size_t context = 0;

  uint64_t Total() const { return weights + cache + workspace; }
};

// Fails with invalid_argument for a context beyond the model's, or no users.
Result<MemoryPlan> PlanMemory(const ModelFiles& files, const MemoryWish& wish);

}  // namespace octet
