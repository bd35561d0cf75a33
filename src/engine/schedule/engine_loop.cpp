#include "engine/schedule/engine_loop.h"

#include <utility>

#include "engine/schedule/scheduler.h"

namespace octet {

using SteadyTime = std::chrono::steady_clock::time_point;

Result<std::unique_ptr<EngineLoop>> EngineLoop::Start(Engine& engine, const ScheduleOptions& options) {
  OCTET_TRY(options.Check());
  return std::unique_ptr<EngineLoop>(new EngineLoop(engine, options));
}

EngineLoop::EngineLoop(Engine& engine, const ScheduleOptions& options)
    : options_(options),
      scheduler_(std::make_unique<Scheduler>(engine, options, [] { return std::chrono::steady_clock::now(); })),
      stats_(scheduler_->stats()) {
  thread_ = std::thread([this] { Run(); });
}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Status EngineLoop::CheckRoom(const Submission& submission) const {
  if (draining_) {
    return Fail(ErrorCode::kExhausted, "the engine ends what it has begun and takes no new requests");
  }
  const size_t waiting = stats_.waiting + arrived_choices_;
  if (waiting > 0 && waiting + submission.choices > options_.max_waiting) {
    return Fail(ErrorCode::kExhausted, "the queue is full: ", waiting, " answers wait and ", submission.choices,
                " more are asked for, ", options_.max_waiting, " are allowed (max-waiting); try again later");
  }
  const size_t tokens = stats_.waiting_tokens + arrived_tokens_, more = submission.request.prompt.size();
  if (tokens > 0 && (more > options_.max_waiting_tokens || tokens > options_.max_waiting_tokens - more)) {
    return Fail(ErrorCode::kExhausted, "the queue is full: prompts of ", tokens, " tokens wait and one of ", more,
                " was sent, ", options_.max_waiting_tokens, " are allowed (max-waiting-tokens); try again later");
  }
  return {};
}

Result<uint64_t> EngineLoop::Submit(Submission submission, OnEvent on_event) {
  OCTET_TRY(scheduler_->Check(submission));
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const Status room = CheckRoom(submission);
    if (!room) {
      ++refused_;
      return tl::unexpected(room.error());
    }
    id = next_id_++;
    is_idle_ = false;
    arrived_choices_ += submission.choices;
    arrived_tokens_ += submission.request.prompt.size();
    arrivals_.push_back({id, std::move(submission), std::move(on_event), std::chrono::steady_clock::now()});
  }
  wake_.notify_one();
  return id;
}

void EngineLoop::Cancel(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    cancels_.push_back(id);
  }
  wake_.notify_one();
}

LoopStats EngineLoop::stats() const {
  const std::lock_guard lock(mutex_);
  LoopStats stats = stats_;
  stats.waiting += arrived_choices_;
  stats.waiting_tokens += arrived_tokens_;
  stats.refused = refused_;
  stats.draining = draining_;
  return stats;
}

void EngineLoop::CancelAll() {
  {
    const std::lock_guard lock(mutex_);
    cancels_all_ = true;
  }
  wake_.notify_one();
}

bool EngineLoop::Drain(std::optional<SteadyTime> until) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto has_ended = [this] { return is_idle_; };
  if (until) return idle_.wait_until(lock, *until, has_ended);
  idle_.wait(lock, has_ended);
  return true;
}

void EngineLoop::Publish() {
  const std::lock_guard lock(mutex_);
  stats_ = scheduler_->stats();
}

// Waits for work; false where the loop is to end.
bool EngineLoop::TakeArrivals() {
  std::vector<Arrival> arrivals;
  std::vector<uint64_t> cancels;
  bool cancels_all = false;
  {
    std::unique_lock lock(mutex_);
    stats_ = scheduler_->stats();
    is_idle_ = scheduler_->is_idle() && arrivals_.empty();
    if (is_idle_) idle_.notify_all();
    wake_.wait(lock, [this] { return ending_ || !is_idle_ || !cancels_.empty() || cancels_all_; });
    if (ending_) return false;
    arrivals.swap(arrivals_);
    cancels.swap(cancels_);
    cancels_all = std::exchange(cancels_all_, false);
    // They count as waiting until the scheduler's own count has them.
    stats_.waiting += std::exchange(arrived_choices_, 0);
    stats_.waiting_tokens += std::exchange(arrived_tokens_, 0);
  }
  for (Arrival& arrival : arrivals)
    scheduler_->Submit(arrival.id, std::move(arrival.submission), std::move(arrival.on_event), arrival.time);
  for (const uint64_t id : cancels) scheduler_->Cancel(id);
  if (cancels_all) scheduler_->CancelAll();
  return true;
}

void EngineLoop::Run() {
  while (TakeArrivals()) {
    scheduler_->BeginWaiting();
    Publish();  // who has begun makes room in the queue while the step runs
    scheduler_->Step();
  }
  // What arrived last has been accepted too: it is told its end like all others.
  std::vector<Arrival> arrivals;
  {
    const std::lock_guard lock(mutex_);
    arrivals.swap(arrivals_);
  }
  for (Arrival& arrival : arrivals)
    scheduler_->Submit(arrival.id, std::move(arrival.submission), std::move(arrival.on_event), arrival.time);
  scheduler_->CancelAll();
  const std::lock_guard lock(mutex_);
  is_idle_ = true;
  idle_.notify_all();
}

}  // namespace octet
