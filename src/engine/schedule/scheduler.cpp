#include "engine/schedule/scheduler.h"

#include <algorithm>
#include <utility>

#include "models/adapter.h"

namespace octet {
namespace {

constexpr int32_t kMostPromptLogprobs = 1000;  // as of SamplingOptions::logprobs

}  // namespace

Scheduler::Scheduler(Engine& engine, const ScheduleOptions& options, Now now)
    : engine_(engine),
      options_(options),
      now_(std::move(now)),
      limits_(engine.limits()),
      cache_(engine.cache(), engine.spec().ropes) {
  running_.reserve(options.max_running);
  shares_.reserve(options.max_running);
  planned_.reserve(options.max_running);
  runs_.reserve(options.max_running);
  stats_.caches_prefixes = options.prefix_cache;
  stats_.pages = engine.cache().pages();
  CountNow();
}

Scheduler::~Scheduler() { CancelAll(); }

Status Scheduler::Check(const Submission& submission) const {
  if (submission.choices == 0 || submission.choices > options_.max_running) {
    return octet::Fail(ErrorCode::kInvalidArgument, submission.choices, " choices are asked for, allowed is 1 to ",
                       options_.max_running, " (max-running)");
  }
  if (submission.prompt_logprobs &&
      (*submission.prompt_logprobs < 0 || *submission.prompt_logprobs > kMostPromptLogprobs)) {
    return octet::Fail(ErrorCode::kInvalidArgument, "prompt_logprobs is ", *submission.prompt_logprobs,
                       ", allowed is 0 to ", kMostPromptLogprobs);
  }
  OCTET_TRY(Sequence::Check(submission.request, limits_));
  const size_t pages = MostPages(MakeGroup(submission));
  if (pages <= engine_.cache().pages()) return {};
  return octet::Fail(ErrorCode::kInvalidArgument, "a prompt of ", submission.request.prompt.size(), " tokens with ",
                     submission.choices, " answers as long as asked for can come to need ", pages,
                     " pages of the cache, which has ", engine_.cache().pages(),
                     "; ask for fewer or shorter answers, or give the cache more room");
}

Group Scheduler::MakeGroup(const Submission& submission) const {
  const Request& request = submission.request;
  Group group;
  group.choices = submission.choices;
  group.prompt_size = request.prompt.size();
  group.is_score_only = submission.prompt_logprobs && request.options.max_tokens == size_t{0};
  const size_t room = limits_.context - group.prompt_size;
  const size_t answer = group.is_score_only ? 1 : std::min(room, request.options.max_tokens.value_or(room));
  group.max_tokens = group.is_score_only ? 0 : answer;
  // The last token is chosen and not computed.
  group.most_positions = group.prompt_size + std::max<size_t>(answer, 1) - 1;
  group.may_renew_angles = std::any_of(limits_.ropes.begin(), limits_.ropes.end(), [&](const nn::RopeSpec& rope) {
    return nn::SwitchesBetween(rope, group.prompt_size, group.prompt_size + answer);
  });
  return group;
}

void Scheduler::Submit(uint64_t id, Submission submission, OnEvent on_event, TimePoint arrival) {
  auto group = std::make_shared<Group>(MakeGroup(submission));
  group->id = id;
  group->on_event = std::move(on_event);
  group->arrival = arrival;
  group->adapter = submission.request.adapter ? submission.request.adapter->number() : 0;
  group->root = PrefixCache::Root(submission.cache_salt, group->adapter);
  if (submission.prompt_logprobs)
    group->scores.emplace(static_cast<size_t>(*submission.prompt_logprobs), limits_.vocab, *limits_.kernels);
  ++stats_.requests;
  stats_.request_choices.Observe(static_cast<double>(submission.choices));
  stats_.request_max_tokens.Observe(static_cast<double>(group->max_tokens));
  Queue& queue = submission.priority == Priority::kHigh ? high_ : normal_;
  group->is_high = submission.priority == Priority::kHigh;
  group->deadline = submission.deadline;
  group->request = std::move(submission.request);
  queue.push_back(std::move(group));
  CountNow();
}

void Scheduler::Cancel(uint64_t id) {
  EndGroups([id](const Group& group) { return group.id == id; }, false, now_());
}

void Scheduler::CancelAll() {
  EndGroups([](const Group&) { return true; }, false, now_());
}

void Scheduler::EndExpired(TimePoint now) {
  EndGroups([now](const Group& group) { return group.deadline && *group.deadline <= now; }, true, now);
}

template <class IsMeant>
void Scheduler::EndGroups(const IsMeant& is_meant, bool deadline_passed, TimePoint now) {
  step_end_ = now;
  bool any = false;
  const auto note = [&](Group& group) {
    if (deadline_passed && !std::exchange(group.deadline_passed, true)) ++stats_.deadlines_passed;
    any = true;
  };
  for (Queue* queue : {&high_, &normal_}) {
    for (const GroupPointer& group : *queue) {
      if (!is_meant(*group)) continue;
      note(*group);
      EndWaiting(*group, now);
    }
    std::erase_if(*queue, [&](const GroupPointer& group) { return is_meant(*group); });
  }
  for (const std::unique_ptr<Choice>& choice : running_) {
    if (!is_meant(*choice->group)) continue;
    note(*choice->group);
    choice->sequence.Cancel();
    Tell(*choice);
  }
  if (!any) return;
  RemoveEnded();
  CountNow();
}

// A deadline that passed before anything was done is the server's failure; a wish to stop is not.
void Scheduler::EndWaiting(const Group& group, TimePoint now) {
  const double waited = std::chrono::duration<double>(now - group.arrival).count();
  for (size_t i = 0; i < group.choices; ++i) {
    ChoiceEvent event{.id = group.id, .choice = i, .deadline_passed = group.deadline_passed};
    if (group.deadline_passed) {
      event.error = Error{ErrorCode::kExhausted, Cat("the deadline passed after ", waited,
                                                     " s in the queue; try later, or with a later deadline")};
      ++stats_.failed;
    } else {
      event.finish = FinishReason::kCancelled;
      event.usage = ChoiceUsage{.queue_seconds = waited, .total_seconds = waited};
      ++stats_.finished[static_cast<size_t>(FinishReason::kCancelled)];
    }
    group.on_event(std::move(event));
  }
}

void Scheduler::BeginWaiting() {
  const TimePoint now = now_();
  EndExpired(now);
  Admit(now);
  CountNow();
}

bool Scheduler::Step() {
  step_end_ = now_();
  ShareOutTokens();
  TakePages();
  Compute();
  for (const std::unique_ptr<Choice>& choice : running_) Tell(*choice);
  RemoveEnded();
  CountNow();
  return !is_idle();
}

void Scheduler::RemoveEnded() {
  for (const std::unique_ptr<Choice>& choice : running_)
    if (choice->has_ended) cache_.Touch(choice->digests);
  std::erase_if(running_, [](const std::unique_ptr<Choice>& choice) { return choice->has_ended; });
}

void Scheduler::CountNow() {
  const auto is_paused = [](const std::unique_ptr<Choice>& choice) { return choice->is_paused; };
  stats_.waiting = static_cast<size_t>(std::count_if(running_.begin(), running_.end(), is_paused));
  stats_.running = running_.size() - stats_.waiting;
  stats_.waiting_tokens = 0;
  CountAdapters();
  for (const Queue* queue : {&high_, &normal_}) {
    for (const GroupPointer& group : *queue) {
      stats_.waiting += group->choices;
      stats_.waiting_tokens += group->prompt_size;
    }
  }
  stats_.pages_kept = cache_.IdlePages();
  stats_.pages_held = engine_.cache().pages_in_use() - stats_.pages_kept;
}

void Scheduler::CountAdapters() {
  stats_.running_adapters.clear();
  stats_.waiting_adapters.clear();
  const auto add = [](std::vector<uint64_t>& numbers, uint64_t number) {
    const auto place = std::lower_bound(numbers.begin(), numbers.end(), number);
    if (number != 0 && (place == numbers.end() || *place != number)) numbers.insert(place, number);
  };
  for (const std::unique_ptr<Choice>& choice : running_)
    add(choice->is_paused ? stats_.waiting_adapters : stats_.running_adapters, choice->group->adapter);
  for (const Queue* queue : {&high_, &normal_})
    for (const GroupPointer& group : *queue) add(stats_.waiting_adapters, group->adapter);
}

}  // namespace octet
