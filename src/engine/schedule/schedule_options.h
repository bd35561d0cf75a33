// How an engine is shared among requests; one list for flags, files and help.
#pragma once

#include <cstddef>

#include "base/error.h"

namespace octet {

struct ScheduleOptions {
  size_t max_running = 32;             // answers computed together; each of a request's choices counts
  size_t step_tokens = 256;            // of prompts and answers in one step, at least max_running
  size_t max_waiting = 512;            // answers in the queue
  size_t max_waiting_tokens = 524288;  // prompt tokens in the queue; one prompt always fits an empty queue
  bool prefix_cache = true;            // keeps pages of prompts and answers for prompts that begin the same
  // Off: a request starts when the cache has room for its longest answer, so that none is ever put back. On: it starts
  // when there is room for its prompt; where the cache fills up, the request that came last is put back and computed
  // again. The answers are the same.
  bool preempt = false;
  double promote_seconds = 5;  // in the queue, after which a request of normal priority counts as high

  // Fails with invalid_argument, naming the option and both numbers.
  Status Check() const;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ScheduleOptions::max_running, "max-running", "answers computed together; more share each pass of weights");
    visit(&ScheduleOptions::step_tokens, "step-tokens",
          "tokens in one step, at least max-running; more reads prompts faster and lets running answers wait longer");
    visit(&ScheduleOptions::max_waiting, "max-waiting", "answers in the queue; beyond that requests are refused");
    visit(&ScheduleOptions::max_waiting_tokens, "max-waiting-tokens",
          "prompt tokens in the queue; beyond that requests are refused");
    visit(&ScheduleOptions::prefix_cache, "prefix-cache",
          "keep what prompts begin with for others that begin the same");
    visit(&ScheduleOptions::preempt, "preempt",
          "start requests without room for their longest answer; where the cache fills, the last one is put back");
    visit(&ScheduleOptions::promote_seconds, "promote-seconds",
          "seconds in the queue after which normal priority counts as high");
  }
};

}  // namespace octet
