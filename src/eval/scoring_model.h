// A model as the evaluation sees it: it reads a window of tokens and then gives logits, some positions at a time, so
// that memory stays bounded however large the vocabulary is.
//
//   OCTET_TRY(model.Read(window));
//   OCTET_TRY(model.Logits(/*first=*/256, /*count=*/32, logits));   // what follows tokens 256 .. 287 of the window
//
// The engine's models behind this interface: eval/engine_model.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "eval/windows.h"

namespace octet {

class ScoringModel {
 public:
  virtual ~ScoringModel() = default;

  virtual size_t vocab_size() const = 0;
  // Forgets what was read before. `logits_from`: logits of earlier positions won't be asked for.
  virtual Status Read(std::span<const int32_t> tokens, size_t logits_from) = 0;
  // logits [count, vocab_size] after tokens first .. first + count - 1 of what was read last. Calls go on where the one
  // before ended, the first at logits_from.
  virtual Status Logits(size_t first, size_t count, float* logits) = 0;
};

// A tokenised text and how it is cut.
struct EvaluationText {
  std::vector<int32_t> ids;
  std::optional<int32_t> bos;
  WindowPlan plan;
};

// What a measurement runs with.
struct EvaluationRun {
  ThreadPool& pool;
  Progress& progress;
  const CancelFlag& cancel;
};

// Positions whose logits are in memory at a time.
inline constexpr size_t kScoredRows = 64;

}  // namespace octet
