// Who takes part in the engine's next step, and what comes of it. One thread, no clock of its own: the same calls at
// the same times give the same steps.
//
//   Scheduler scheduler(engine, options, now);
//   OCTET_TRY(scheduler.Check(submission));
//   scheduler.Submit(id, std::move(submission), on_event, now());
//   do scheduler.BeginWaiting(); while (scheduler.Step());
//
// A step has at most step_tokens tokens: one for each answer that is being made, what answers guess behind it, then
// prompts in their order, cut where the step is full. The order is priority, then arrival; nobody is passed over for
// being large. Threads and the queue's bounds: engine/schedule/engine_loop.h. Why so: docs/decisions/scheduling.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/schedule/choice.h"
#include "engine/schedule/loop_stats.h"
#include "engine/schedule/prefix_cache.h"
#include "engine/schedule/schedule_options.h"
#include "engine/schedule/submission.h"

namespace octet {

class Scheduler {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Now = std::function<TimePoint()>;

  // What the last step computed.
  struct StepSize {
    size_t tokens = 0;   // in all
    size_t answers = 0;  // that went on
  };

  // The engine must outlive it. `options` have passed their Check.
  Scheduler(Engine& engine, const ScheduleOptions& options, Now now);
  ~Scheduler();

  // Whether a submission can ever run. Fails with invalid_argument as Sequence::Check does, for more choices than run
  // together, and for more pages than the cache has. Reads nothing that changes: from any thread.
  Status Check(const Submission& submission) const;

  // Behind the others of its priority. Requires that Check passed and that no other request has the id.
  void Submit(uint64_t id, Submission submission, OnEvent on_event, TimePoint arrival);

  // Its choices end with what they have said. Unknown ids are passed over.
  void Cancel(uint64_t id);
  void CancelAll();

  // Ends what is past its deadline and begins what has room: the queue's part of a step.
  void BeginWaiting();
  // Computes one step of what has begun. False where nothing is left to do.
  bool Step();

  bool is_idle() const { return running_.empty() && high_.empty() && normal_.empty(); }
  const StepSize& last_step() const { return last_step_; }
  // As of the last call that changed anything.
  const LoopStats& stats() const { return stats_; }

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

 private:
  using GroupPointer = std::shared_ptr<Group>;
  using Queue = std::deque<GroupPointer>;
  struct Planned {
    Choice* choice;
    Decoder::Run run;
  };

  // scheduler.cpp: arrivals and ends.
  Group MakeGroup(const Submission& submission) const;
  template <class IsMeant>
  void EndGroups(const IsMeant& is_meant, bool deadline_passed, TimePoint now);
  void EndExpired(TimePoint now);
  void EndWaiting(const Group& group, TimePoint now);
  void RemoveEnded();
  void CountNow();
  void CountAdapters();

  // events.cpp: what is told.
  void Tell(Choice& choice);
  void TellNew(Choice& choice, ChoiceEvent event);
  void CountEnd(const Choice& choice, const ChoiceEvent& event);
  void Fail(Choice& choice, const Error& error);
  void FailUnbegun(const Group& group, const Error& error);
  void FailGroup(const Group& group, const Error& error);
  ChoiceUsage UsageOf(const Choice& choice) const;

  // admission.cpp: who begins.
  void Admit(TimePoint now);
  Queue* NextQueue(TimePoint now);
  bool ResumePaused(size_t& free_pages);
  bool Begin(const GroupPointer& group, TimePoint now, size_t& free_pages);
  PrefixCache::Found FindPrefix(const Group& group, std::span<const int32_t> tokens, size_t angle_length);
  Status AddChoices(const GroupPointer& group, PrefixCache::Found found);
  void Insert(std::unique_ptr<Choice> choice);

  // pages.cpp: who may have how many.
  size_t MostPages(const Group& group) const;
  size_t PagesToBegin(const Group& group, std::span<const PageId> found) const;
  size_t PagesToCome(const Choice& choice) const;
  size_t FreePages() const;
  size_t LivePages(std::span<const PageId> pages) const;
  PageTable TableOf(std::span<const PageId> pages);
  bool MakeRoom(Choice& choice, size_t pages);
  void Pause(Choice& choice);
  void KeepFullPages(Choice& choice);

  // step_plan.cpp: one step.
  void ShareOutTokens();
  size_t ShareOutDrafts(size_t answers);
  void TakePages();
  void Compute();
  void Complete(const Planned& planned, const Decoder::Run& computed, const float* logits);
  void Advance(Choice& choice, const Decoder::Run& run, const float* logits);
  void NoteTokens(Choice& choice, size_t before);

  Engine& engine_;
  const ScheduleOptions options_;
  const Now now_;
  const SequenceLimits limits_;
  PrefixCache cache_;
  Queue high_, normal_;
  std::vector<std::unique_ptr<Choice>> running_;  // by priority, then arrival
  std::vector<size_t> shares_;                    // tokens of the step, parallel to running_
  std::vector<Planned> planned_;
  std::vector<Decoder::Run> runs_;  // parallel to planned_
  TimePoint step_end_;
  StepSize last_step_;
  LoopStats stats_;
};

}  // namespace octet
