#include "engine/read_rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

namespace octet {
namespace {

constexpr size_t kBytes = size_t{1} << 29;
constexpr size_t kLine = 64;

// Eight sums side by side, so that no addition waits for the one before.
uint64_t SumOf(const std::byte* from, const std::byte* end) {
  uint64_t sums[8] = {};
  for (; from != end; from += kLine) {
    uint64_t words[8];
    std::memcpy(words, from, kLine);
    for (size_t i = 0; i < 8; ++i) sums[i] += words[i];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

Result<ReadRate> ReadRate::Create() {
  std::shared_ptr<AlignedBuffer> buffer = OCTET_TRY(AlignedBuffer::Allocate(kBytes));
  // Memory that nobody wrote is one page of zeros.
  std::memset(buffer->data(), 1, kBytes);
  return ReadRate(std::move(buffer));
}

double ReadRate::Measure(ThreadPool& pool) const {
  using Clock = std::chrono::steady_clock;
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const Clock::time_point begin = Clock::now();
    pool.ForEachShare(kBytes / kLine, [&](size_t first, size_t last) {
      sink += SumOf(buffer_->data() + first * kLine, buffer_->data() + last * kLine);
    });
    best = std::max(best, static_cast<double>(kBytes) / std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace octet
