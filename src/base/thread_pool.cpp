#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>

namespace octet {
namespace {

// Longer than the serial work between two loops of a decode step, shorter than anyone notices as load.
constexpr auto kSpin = std::chrono::microseconds(50);

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Spins until `done` or the time is over; true if done.
template <class Done>
bool SpinUntil(Done&& done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

// Threads started meanwhile take no signals: those of the process go to threads of its own, which may wait for them.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;

 private:
  sigset_t before_ = {};
};

}  // namespace

ThreadPool::ThreadPool(size_t threads) {
  const WithoutSignals started;
  try {
    workers_.reserve(threads - 1);
    for (size_t worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { Work(worker); });
  } catch (const std::exception&) {
    // Those that run are enough for correct results; Start says how many they are.
  }
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::Start(size_t threads) {
  if (threads == 0 || threads > kMostThreads)
    return Fail(ErrorCode::kInvalidArgument, threads, " threads; 1 to ", kMostThreads, " are possible");
  auto pool = std::make_unique<ThreadPool>(threads);
  if (pool->threads() == threads) return pool;
  return Fail(ErrorCode::kExhausted, "the system starts only ", pool->threads(), " of ", threads,
              " threads; ask for fewer or raise its limits (ulimit -u, -v)");
}

Status ThreadPool::Pin(std::span<const std::vector<int>> cpus) {
  if (cpus.empty()) return {};
  if (cpus.size() != threads())
    return Fail(ErrorCode::kInvalidArgument, cpus.size(), " lists of CPUs for ", threads(), " threads");
  PinnedCaller caller{.thread = ::gettid()};
  if (!caller_ && ::sched_getaffinity(0, sizeof caller.before, &caller.before) == 0) caller_ = caller;
  for (size_t i = 0; i < cpus.size(); ++i) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : cpus[i]) {
      if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    }
    const pthread_t thread = i == 0 ? ::pthread_self() : workers_[i - 1].native_handle();
    if (const int error = ::pthread_setaffinity_np(thread, sizeof set, &set); error != 0)
      return Fail(ErrorCode::kInvalidArgument, "thread ", i, " can't be tied to its ", cpus[i].size(),
                  " CPUs: ", std::strerror(error));
  }
  return {};
}

ThreadPool::~ThreadPool() {
  // By its number, since the thread may be gone.
  if (caller_) static_cast<void>(::sched_setaffinity(caller_->thread, sizeof caller_->before, &caller_->before));
  stopping_.store(true);
  {
    const std::lock_guard lock(mutex_);
    round_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::RunShare(size_t share) const {
  const size_t begin = count_ * share / threads();
  const size_t end = count_ * (share + 1) / threads();
  if (begin < end) function_(state_, begin, end);
}

void ThreadPool::Run(size_t count, Function function, void* state) {
  if (workers_.empty() || count <= 1) {
    if (count > 0) function(state, 0, count);
    return;
  }
  function_ = function;
  state_ = state;
  count_ = count;
  unfinished_.store(workers_.size(), std::memory_order_relaxed);
  round_.fetch_add(1);  // sequentially consistent: ordered against the sleepers' count below
  if (sleepers_.load() > 0) {
    { const std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }
  RunShare(0);
  while (!SpinUntil([this] { return unfinished_.load(std::memory_order_acquire) == 0; })) std::this_thread::yield();
}

void ThreadPool::Work(size_t worker) {
  uint64_t seen = 0;
  while (true) {
    if (!SpinUntil([&] { return round_.load(std::memory_order_acquire) != seen; })) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return round_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    seen = round_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    RunShare(worker);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

size_t ThreadPool::AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t cores = ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<size_t>(CPU_COUNT(&set)) : 1;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) {
    const double allowed = std::strtod(quota.c_str(), nullptr) / period;
    cores = std::min(cores, static_cast<size_t>(std::max(1.0, allowed)));
  }
  return std::max<size_t>(cores, 1);
}

}  // namespace octet
