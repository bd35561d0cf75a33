// An engine that many use at once: requests come from any thread, one thread of its own runs the steps.
//
//   std::unique_ptr<EngineLoop> loop = OCTET_TRY(EngineLoop::Start(*engine, {}));
//   uint64_t id = OCTET_TRY(loop->Submit({.request = request}, [&](ChoiceEvent event) { outbox.Push(event); }));
//   loop->Cancel(id);                  // the client has gone
//   loop->Drain();                     // all that was accepted is answered
//
// An answer is the same, bit for bit, as if the request ran alone (engine/session.h), whatever runs beside it and
// whatever the caches hold. What takes part in a step is decided in engine/schedule/scheduler.h.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/schedule/loop_stats.h"
#include "engine/schedule/schedule_options.h"
#include "engine/schedule/submission.h"

namespace octet {

class Scheduler;

class EngineLoop {
 public:
  // The engine must outlive it, and nobody else may run steps or sessions on it until then. Fails as
  // ScheduleOptions::Check does.
  static Result<std::unique_ptr<EngineLoop>> Start(Engine& engine, const ScheduleOptions& options);

  // Ends what still runs: each gets its last event, with kCancelled. Drain first to let them finish. Not to be called
  // from an OnEvent.
  ~EngineLoop();

  // From any thread; computes nothing. Fails with invalid_argument as Sequence::Check does, and for what can never run:
  // more choices than run together, more pages than the cache has. Fails with exhausted where the queue is full, saying
  // of what, and once Drain was called; nothing was accepted then, trying again later is right. Otherwise the request
  // is accepted, and on_event is called until each choice has had its last event, and never after that; maybe before
  // this call returns.
  Result<uint64_t> Submit(Submission submission, OnEvent on_event);

  // From any thread. The request's choices end before the next step begins; unknown ids and ended ones are passed over.
  void Cancel(uint64_t id);

  // The same of all that was accepted so far. Drain first, so that nothing is accepted behind it.
  void CancelAll();

  // As of the last step. From any thread.
  LoopStats stats() const;

  // Accepts no more, waits until all that was accepted has ended or the time is reached; true where all has ended. From
  // any thread but the engine's, several times if need be.
  bool Drain(std::optional<std::chrono::steady_clock::time_point> until = {});

  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

 private:
  struct Arrival {
    uint64_t id;
    Submission submission;
    OnEvent on_event;
    std::chrono::steady_clock::time_point time;
  };

  EngineLoop(Engine& engine, const ScheduleOptions& options);
  void Run();
  bool TakeArrivals();
  void Publish();
  Status CheckRoom(const Submission& submission) const;

  const ScheduleOptions options_;
  std::unique_ptr<Scheduler> scheduler_;  // the thread's alone, but for Check

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_, idle_;
  std::vector<Arrival> arrivals_;
  size_t arrived_choices_ = 0, arrived_tokens_ = 0;  // of arrivals_
  std::vector<uint64_t> cancels_;
  bool cancels_all_ = false;
  uint64_t next_id_ = 1;
  uint64_t refused_ = 0;
  LoopStats stats_;
  bool is_idle_ = true;
  bool draining_ = false, ending_ = false;

  std::thread thread_;
};

}  // namespace octet
