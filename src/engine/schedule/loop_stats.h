// What a running engine counts: totals since its start, what stands now, and how values spread.
//
//   LoopStats stats = loop.stats();
//   Print(stats.time_to_first_token.counts());
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "octet/generate.h"

namespace octet {

// How many observations are at most as large as each bound; the last count has no bound.
class Histogram {
 public:
  Histogram() = default;
  // `bounds` ascend and outlive it.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(double value);

  std::span<const double> bounds() const { return bounds_; }
  // Of each bucket alone, bounds().size() + 1 of them.
  std::span<const uint64_t> counts() const { return counts_; }
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  double sum_ = 0;
};

// Answers are choices: a request of three counts three times, but for requests, prompts and the queue.
struct LoopStats {
  LoopStats();

  // Now.
  size_t running = 0;         // answers
  size_t waiting = 0;         // answers in the queue, and those put back
  size_t waiting_tokens = 0;  // of their prompts
  size_t pages = 0;           // of the key/value cache
  size_t pages_held = 0;      // by running answers, shared ones once
  size_t pages_kept = 0;      // by the prefix cache alone, free for whoever needs them
  // Numbers of adapters (models/adapter.h) of running answers, and of waiting ones, ascending.
  std::vector<uint64_t> running_adapters, waiting_adapters;
  bool caches_prefixes = false;
  bool draining = false;

  // Since the start.
  uint64_t steps = 0;
  uint64_t requests = 0;       // accepted
  uint64_t refused = 0;        // because the queue was full
  uint64_t prompt_tokens = 0;  // of requests that began
  uint64_t cache_queries = 0;  // tokens that were looked for in the prefix cache
  uint64_t cache_hits = 0;     // tokens found there
  uint64_t generated_tokens = 0;
  uint64_t drafts = 0;           // guesses: answers' parts of a step that had more than one token
  uint64_t drafted_tokens = 0;   // of these, behind the first of each
  uint64_t accepted_tokens = 0;  // of those, which became part of the answer
  uint64_t preemptions = 0;
  std::array<uint64_t, 3> finished = {};  // answers by FinishReason
  uint64_t failed = 0;                    // answers that ended with an error
  uint64_t deadlines_passed = 0;          // requests, in the queue or running

  // Bounds are vLLM's, so that its dashboards fit.
  Histogram step_tokens;                                                                 // of each step
  Histogram time_to_first_token, inter_token, total, queue, prefill, decode, inference;  // seconds
  Histogram request_prompt_tokens, request_generated_tokens;                             // of each answer that ended
  Histogram request_choices, request_max_tokens;  // of each request: what it asked for
  Histogram request_most_generated;               // of each request's answers, the longest
};

}  // namespace octet
