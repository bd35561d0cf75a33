// What a load run measured: the times of single requests, and what they come to together.
//
//   LoadSummary summary = Summarise(records, limits);
//   summary.ttft.p95      // seconds until the first text of an answer, which 95 of 100 didn't exceed
//
// Only requests that were answered count, but for `failed`. Making the requests: load_run.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace octet::serve {

// One request. All times are seconds on one clock, whatever its zero.
struct LoadRecord {
  double sent = 0;
  double ended = 0;                 // the answer was whole, or had failed
  std::vector<double> pieces = {};  // when each piece of text came, in order
  size_t prompt_tokens = 0, answer_tokens = 0;
  std::string failure = {};  // empty: a whole answer with text

  bool answered() const { return failure.empty(); }
};

enum class LoadMetric {
  kTtft,  // time to first text: from sending to the first piece
  kItl,   // inter-token latency: from a piece to the next; of one request, its longest
  kTpot,  // time per output token: from the first piece to the last, over the tokens behind the first
  kE2e,   // end to end: from sending to the end of the stream
};
// "ttft", "itl", "tpot", "e2e".
std::string_view NameOf(LoadMetric metric);

// A request is good where the metric is at most so many seconds.
struct LoadLimit {
  LoadMetric metric = LoadMetric::kE2e;
  double seconds = 0;
};
// Reads "e2e=15s", "ttft=500ms" or "tpot=0.1"; a bare number is seconds. Fails with invalid_argument, quoting the text.
Result<LoadLimit> ParseLoadLimit(std::string_view text);

// Of a metric over requests, in seconds. Percentiles lie between the two nearest values, linearly. All 0 without any.
struct Spread {
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0;
};
Spread SpreadOf(std::vector<double> values);

struct LoadSummary {
  size_t answered = 0, failed = 0;
  double seconds = 0;  // from the first sending to the last end
  size_t prompt_tokens = 0, answer_tokens = 0;
  double requests_per_second = 0, answer_tokens_per_second = 0, all_tokens_per_second = 0;
  std::optional<double> goodput = {};  // requests a second that meet every limit; nothing without limits
  Spread ttft = {}, itl = {}, tpot = {}, e2e = {};
};
LoadSummary Summarise(const std::vector<LoadRecord>& records, const std::vector<LoadLimit>& limits);

}  // namespace octet::serve
