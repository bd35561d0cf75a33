#include "engine/schedule/loop_stats.h"

#include <algorithm>

namespace octet {
namespace {

constexpr double kFirstTokenBounds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                        1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
constexpr double kInterTokenBounds[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                        0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
constexpr double kRequestBounds[] = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                     30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
constexpr double kStepTokenBounds[] = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
constexpr double kTokenBounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
constexpr double kChoiceBounds[] = {1, 2, 5, 10, 20};

}  // namespace

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<size_t>(bucket - bounds_.begin())];
  ++count_;
  sum_ += value;
}

LoopStats::LoopStats()
    : step_tokens(kStepTokenBounds),
      time_to_first_token(kFirstTokenBounds),
      inter_token(kInterTokenBounds),
      total(kRequestBounds),
      queue(kRequestBounds),
      prefill(kRequestBounds),
      decode(kRequestBounds),
      inference(kRequestBounds),
      request_prompt_tokens(kTokenBounds),
      request_generated_tokens(kTokenBounds),
      request_choices(kChoiceBounds),
      request_max_tokens(kTokenBounds),
      request_most_generated(kTokenBounds) {}

}  // namespace octet
