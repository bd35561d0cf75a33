// A wish to stop, set by a signal or another thread and polled by long work.
//
//   for (const Tensor& tensor : tensors) {
//     OCTET_TRY(cancel.Check());
//     ...
//   }
//
// Poll about every 10 ms of work. Setting it is safe inside a signal handler.
#pragma once

#include <atomic>

#include "base/error.h"

namespace octet {

class CancelFlag {
 public:
  void Request() { requested_.store(true, std::memory_order_relaxed); }
  // For a caller that goes on after a stopped piece of work, such as a chat.
  void Clear() { requested_.store(false, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

  // Fails with cancelled once the wish was made.
  Status Check() const {
    if (requested()) return Fail(ErrorCode::kCancelled, "stopped on request");
    return {};
  }

 private:
  std::atomic<bool> requested_{false};
  static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers set it");
};

}  // namespace octet
