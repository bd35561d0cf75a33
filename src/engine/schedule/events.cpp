// What is told of each choice.
#include <algorithm>
#include <utility>

#include "engine/schedule/scheduler.h"

namespace octet {

// Tokens and text that weren't told, with `event`, which has the rest.
void Scheduler::TellNew(Choice& choice, ChoiceEvent event) {
  const std::vector<GeneratedToken>& generated = choice.sequence.generated();
  if (generated.size() == choice.told_tokens && !event.finish) return;
  if (!choice.group->is_score_only) {
    event.text = choice.sequence.TakeText();
    event.tokens.assign(generated.begin() + static_cast<std::ptrdiff_t>(choice.told_tokens), generated.end());
  }
  choice.told_tokens = generated.size();
  choice.group->on_event(std::move(event));
}

// What is new of a choice, if anything.
void Scheduler::Tell(Choice& choice) {
  const Group& group = *choice.group;
  Sequence& sequence = choice.sequence;
  const std::vector<GeneratedToken>& generated = sequence.generated();
  if (choice.has_ended || (generated.size() == choice.told_tokens && !sequence.finished())) return;
  ChoiceEvent event{.id = group.id, .choice = choice.index};
  if (group.scores && !group.scores_are_due() && !std::exchange(choice.told_prompt, true))
    event.prompt = group.scores->scores();
  if (sequence.finished()) {
    event.finish = sequence.finish_reason();
    // The token that isn't shown may have been an end.
    if (group.is_score_only && event.finish == FinishReason::kStop) event.finish = FinishReason::kLength;
    event.stop_string = sequence.stop_string();
    event.deadline_passed = group.deadline_passed && event.finish == FinishReason::kCancelled;
    event.usage = UsageOf(choice);
    CountEnd(choice, event);
    choice.has_ended = true;
  }
  TellNew(choice, std::move(event));
}

void Scheduler::CountEnd(const Choice& choice, const ChoiceEvent& event) {
  const ChoiceUsage& usage = *event.usage;
  ++stats_.finished[static_cast<size_t>(*event.finish)];
  stats_.total.Observe(usage.total_seconds);
  stats_.queue.Observe(usage.queue_seconds);
  stats_.request_prompt_tokens.Observe(static_cast<double>(choice.group->prompt_size));
  stats_.request_generated_tokens.Observe(static_cast<double>(usage.timings.generated_tokens));
  Group& group = *choice.group;
  group.most_generated = std::max(group.most_generated, usage.timings.generated_tokens);
  if (++group.ended_choices == group.choices)
    stats_.request_most_generated.Observe(static_cast<double>(group.most_generated));
  if (choice.sequence.generated().empty()) return;
  stats_.prefill.Observe(usage.timings.prompt_seconds);
  stats_.decode.Observe(usage.timings.decode_seconds);
  stats_.inference.Observe(usage.timings.prompt_seconds + usage.timings.decode_seconds);
}

ChoiceUsage Scheduler::UsageOf(const Choice& choice) const {
  const auto seconds = [](TimePoint begin, TimePoint end) {
    return std::chrono::duration<double>(end - begin).count();
  };
  const Group& group = *choice.group;
  const Sequence& sequence = choice.sequence;
  const bool any = !sequence.generated().empty();
  ChoiceUsage usage;
  usage.timings.prompt_tokens = any ? group.prompt_size : std::min(sequence.cached(), group.prompt_size);
  usage.timings.cached_tokens = std::min(group.cached_tokens, usage.timings.prompt_tokens);
  usage.timings.generated_tokens = group.is_score_only ? 0 : sequence.generated().size();
  usage.timings.drafted_tokens = sequence.drafted_tokens();
  usage.timings.accepted_tokens = sequence.accepted_tokens();
  if (any) {
    usage.timings.prompt_seconds = seconds(group.admission, choice.first_token);
    usage.timings.decode_seconds = seconds(choice.first_token, choice.last_token);
  }
  usage.queue_seconds = seconds(group.arrival, group.admission);
  usage.total_seconds = seconds(group.arrival, step_end_);
  usage.mask_seconds = sequence.mask_seconds();
  usage.miss = group.miss;
  usage.preemptions = choice.preemptions;
  return usage;
}

void Scheduler::Fail(Choice& choice, const Error& error) {
  if (choice.has_ended) return;
  choice.has_ended = true;
  ++stats_.failed;
  choice.group->on_event({.id = choice.group->id, .choice = choice.index, .error = error});
}

void Scheduler::FailUnbegun(const Group& group, const Error& error) {
  for (size_t i = 0; i < group.choices; ++i) group.on_event({.id = group.id, .choice = i, .error = error});
  stats_.failed += group.choices;
}

void Scheduler::FailGroup(const Group& group, const Error& error) {
  for (const std::unique_ptr<Choice>& choice : running_)
    if (choice->group.get() == &group) Fail(*choice, error);
}

}  // namespace octet
