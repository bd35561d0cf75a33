#include "engine/read_rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/checked.h"

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLine = 64;
constexpr size_t kBytesRead = size_t{1} << 28;  // at least, so that a little memory isn't over within a tick
constexpr int kLeastTimes = 3;
constexpr size_t kAhead = 65536;  // bytes, as the kernels ask for weights; a prefetch beyond the end does nothing

// Written as vectors: out of eight sums in an array g++ 12 makes a loop through the stack, at a fifth of memory's rate.
typedef uint64_t Pair __attribute__((vector_size(16), may_alias));

// Four sums side by side, so that no addition waits for the one before.
uint64_t SumOf(const std::byte* from, const std::byte* end) {
  Pair first = {}, second = {}, third = {}, fourth = {};
  for (; from != end; from += kLine) {
    __builtin_prefetch(from + kAhead, 0, 2);
    const auto* line = reinterpret_cast<const Pair*>(from);
    first += line[0];
    second += line[1];
    third += line[2];
    fourth += line[3];
  }
  const Pair total = first + second + third + fourth;
  return total[0] + total[1];
}

}  // namespace

Result<ReadRate> ReadRate::Create(size_t bytes) {
  const size_t size = RoundUp(bytes, kLine);
  std::shared_ptr<AlignedBuffer> buffer = OCTET_TRY(AlignedBuffer::Allocate(size));
  // Memory that nobody wrote is one page of zeros.
  std::memset(buffer->data(), 1, size);
  return ReadRate(std::move(buffer));
}

double ReadRate::Measure(ThreadPool& pool) const {
  const size_t bytes = buffer_->size();
  const int times = std::max(kLeastTimes, static_cast<int>(kBytesRead / bytes));
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int i = 0; i < times; ++i) {
    const Clock::time_point begin = Clock::now();
    pool.ForEachShare(bytes / kLine, [&](size_t first, size_t last) {
      sink += SumOf(buffer_->data() + first * kLine, buffer_->data() + last * kLine);
    });
    best = std::max(best, static_cast<double>(bytes) / std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace octet
