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
  size_t chunk = 128;  // most tokens in one forward pass
  size_t threads = 1;
  LoadMode load = LoadMode::kMap;                  // of a pack
  std::optional<kernels::CacheFormat> cache = {};  // absent: the file's, else BF16 or FP32
};

// Bytes that are resident once every user's context is full; they add up to what the system calls the process' resident
// set (VmRSS) then.
struct MemoryPlan {
  // Of the process that plans: it has the same program, and by now the same tokenizer and texts.
  uint64_t program = 0;
  uint64_t weights = 0;  // but for the next line
  // Of a mapped pack whose head has a matrix of its own: of the table only rows of tokens that occur are read. For text
  // like English, by the frequency of ids; see docs/verbs/plan.md.
  uint64_t embedding_rows = 0;
  uint64_t cache_per_token = 0;
  uint64_t cache = 0;
  uint64_t buffers = 0;      // of one forward pass, the logits, and what sampling needs
  uint64_t all_weights = 0;  // whether they are read or not
  size_t context = 0;
  size_t pass_tokens = 0;  // most in one forward pass: no more than the context holds, and one of each user

  uint64_t Total() const { return program + weights + embedding_rows + cache + buffers; }
};

// Fails with invalid_argument for a context beyond the model's, or no users.
Result<MemoryPlan> PlanMemory(const ModelFiles& files, const MemoryWish& wish);

}  // namespace octet
