// A fixed set of threads that run one loop at a time, each a fixed share of it.
//
//   std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(2));
//   pool->ForEachShare(panels, [&](size_t begin, size_t end) { Multiply(begin, end); });
//
// Shares depend on the count and the number of threads alone. Workers spin for some 50 us after a loop before they
// sleep, since a decode step is made of hundreds of loops a few microseconds apart. A loop must not start another on
// the same pool.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace octet {

class ThreadPool {
 public:
  static constexpr size_t kMostThreads = 1024;

  // Runs on the calling thread and threads - 1 others. Fails with invalid_argument for 0 and more than kMostThreads,
  // with exhausted where the system starts fewer, saying how many.
  static Result<std::unique_ptr<ThreadPool>> Start(size_t threads);
  // With as many of the others as the system starts. Requires threads >= 1.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Ties thread i to the CPUs of cpus[i]: the one that calls this is the first, the pool's own follow. An empty list
  // ties none. The caller is free again when the pool goes. Fails with invalid_argument where there is another number
  // of lists than threads, or the system allows none of a list's CPUs.
  Status Pin(std::span<const std::vector<int>> cpus);

  // Calls body(begin, end) once for each thread that has a share of 0 .. count - 1, and returns when all are done.
  template <class Body>
  void ForEachShare(size_t count, Body&& body) {
    Run(
        count,
        [](void* state, size_t begin, size_t end) {
          (*static_cast<std::remove_reference_t<Body>*>(state))(begin, end);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

  // Cores that this process may run on: affinity and the control group's CPU quota are honoured.
  static size_t AvailableCores();

 private:
  using Function = void (*)(void* state, size_t begin, size_t end);

  // The thread that called Pin and where it might run before.
  struct PinnedCaller {
    pid_t thread = 0;
    cpu_set_t before = {};
  };

  void Run(size_t count, Function function, void* state);
  void Work(size_t worker);
  void RunShare(size_t share) const;

  std::vector<std::thread> workers_;
  std::optional<PinnedCaller> caller_;
  Function function_ = nullptr;
  void* state_ = nullptr;
  size_t count_ = 0;
  std::atomic<uint64_t> round_{0};
  std::atomic<size_t> unfinished_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace octet
