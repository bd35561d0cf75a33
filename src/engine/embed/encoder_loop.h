// An encoder that many use at once: jobs come from any thread, one thread of its own runs the passes.
//
//   std::unique_ptr<EncoderLoop> loop = EncoderLoop::Start(*embedder, {});
//   uint64_t id = OCTET_TRY(loop->Submit({.inputs = inputs}, [&](EncoderResult result) { outbox.Push(result); }));
//   loop->Cancel(id);                  // the client has gone
//
// A pass takes one input of each job in turn until it is full, so that a job of thousands of texts lets small ones
// through. An input's result depends on itself alone, bit for bit, whatever else is in its pass. A job that is
// cancelled or whose time is over ends before the next pass. Answers of decoders: engine/schedule/engine_loop.h.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/embed/embedder.h"

namespace octet {

struct EncoderLoopOptions {
  size_t pass_tokens = 0;      // that fill a pass; 0: 256 for each thread. No bit of a result depends on it
  size_t max_jobs = 512;       // that wait or are under way
  size_t max_tokens = 524288;  // of these; one job always fits an empty queue
};

struct EncoderJob {
  std::vector<EncoderInput> inputs;  // at least one; pairs for a model that scores pairs
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
};

struct EncoderResult {
  // [inputs, width]: vectors, or scores of a model that scores pairs. Fails with cancelled after Cancel, once the
  // deadline has passed, and where the loop ends; else as the embedder does.
  Result<std::vector<float>> values;
  bool deadline_passed = false;
  double queue_seconds = 0;  // until the first pass
};

// What the loop has done since it began, and what it does now.
struct EncoderStats {
  size_t jobs = 0;        // not answered yet
  size_t tokens = 0;      // of these, not computed yet
  uint64_t accepted = 0;  // jobs
  uint64_t refused = 0;   // jobs, because the queue was full
  uint64_t inputs_done = 0;
  uint64_t tokens_done = 0;
  uint64_t passes = 0;
};

class EncoderLoop {
 public:
  using OnDone = std::function<void(EncoderResult)>;

  // The embedder must outlive it; others may use it beside.
  static std::unique_ptr<EncoderLoop> Start(Embedder& embedder, const EncoderLoopOptions& options);

  // Ends what waits: each job gets its result, with cancelled. Not to be called from an OnDone.
  ~EncoderLoop();

  // From any thread; computes nothing. Fails with invalid_argument for a job without inputs or an input without tokens,
  // with exhausted where the queue is full, saying of what. Otherwise on_done is called once, on the loop's thread.
  Result<uint64_t> Submit(EncoderJob job, OnDone on_done);

  // From any thread; unknown ids and those of jobs that are done are passed over.
  void Cancel(uint64_t id);
  // The same of all jobs that were taken so far.
  void CancelAll();

  EncoderStats stats() const;

  EncoderLoop(const EncoderLoop&) = delete;
  EncoderLoop& operator=(const EncoderLoop&) = delete;

 private:
  struct Work {
    uint64_t id = 0;
    EncoderJob job;
    OnDone on_done;
    std::vector<float> values = {};
    size_t next = 0, done = 0;  // inputs
    size_t tokens_left = 0;
    std::chrono::steady_clock::time_point arrival = {};
    std::optional<double> queue_seconds = {};
    bool cancelled = false;
  };
  struct Pass {
    std::vector<EncoderInput> inputs;
    std::vector<std::pair<std::shared_ptr<Work>, size_t>> owners;  // and which of its inputs
  };

  EncoderLoop(Embedder& embedder, const EncoderLoopOptions& options);
  void Run();
  bool AwaitWork();
  std::vector<std::shared_ptr<Work>> TakeEnded();
  Pass FillPass();
  void RunPass(Pass& pass);
  void Finish(Work& work, Result<std::vector<float>> values, bool deadline_passed);
  void Forget(const Work& work);

  Embedder& embedder_;
  EncoderLoopOptions options_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Work>> works_;  // in the order in which the next pass takes of them
  uint64_t next_id_ = 1;
  EncoderStats stats_;
  bool ending_ = false;

  std::thread thread_;
};

}  // namespace octet
