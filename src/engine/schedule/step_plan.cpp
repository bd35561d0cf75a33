// One step: the tokens that take part, the forward pass, and what becomes of its logits.
#include <algorithm>

#include "engine/schedule/scheduler.h"

namespace octet {
namespace {

// Of prompts that are scored, each with a row of logits over the vocabulary: 128 rows of 150,000 are 77 MB.
constexpr size_t kMostScoredTokens = 128;

bool TakesPart(const Choice& choice) {
  return !choice.has_ended && !choice.sequence.finished() && !choice.is_paused && !choice.waits_for_first;
}

}  // namespace

void Scheduler::ShareOutTokens() {
  shares_.assign(running_.size(), 0);
  size_t left = options_.step_tokens, scored_left = kMostScoredTokens;
  for (const bool reading : {false, true}) {
    if (reading) left -= ShareOutDrafts(options_.step_tokens - left);
    for (size_t i = 0; i < running_.size(); ++i) {
      const Choice& choice = *running_[i];
      if (!TakesPart(choice) || choice.is_reading() != reading) continue;
      size_t share = std::min(left, choice.sequence.tokens().size() - choice.sequence.cached());
      if (choice.group->scores_are_due()) {
        share = std::min(share, scored_left);
        scored_left -= share;
      }
      shares_[i] = share;
      left -= share;
    }
  }
}

// Lets the answers that have a token in the step guess what comes behind it; how many tokens these are in all.
size_t Scheduler::ShareOutDrafts(size_t answers) {
  const size_t room = DraftRoom(options_.step_tokens, answers);
  size_t left = room;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (shares_[i] == 0) continue;
    const size_t drafted = running_[i]->sequence.Draft(left);
    shares_[i] += drafted;
    left -= drafted;
  }
  return room - left;
}

// In the order of rank, so that whoever is put back for others hasn't taken part yet.
void Scheduler::TakePages() {
  planned_.clear();
  for (size_t i = 0; i < running_.size(); ++i) {
    Choice& choice = *running_[i];
    if (shares_[i] == 0 || !TakesPart(choice)) continue;
    // A guess is not worth putting another answer back.
    const PagePool& pool = engine_.cache();
    const bool fits = choice.sequence.PagesToTake(shares_[i]) <= pool.pages() - pool.pages_in_use();
    if (options_.preempt && !choice.is_reading() && !fits) shares_[i] = 1;
    if (!MakeRoom(choice, choice.sequence.PagesToTake(shares_[i]))) continue;
    const Result<Decoder::Run> run = choice.sequence.NextRun(shares_[i]);
    if (run) {
      planned_.push_back({&choice, *run});
    } else {
      FailGroup(*choice.group, run.error());
    }
  }
  std::erase_if(planned_, [](const Planned& planned) { return planned.choice->has_ended; });
}

void Scheduler::Compute() {
  runs_.clear();
  last_step_ = {};
  for (const Planned& planned : planned_) {
    runs_.push_back(planned.run);
    if (planned.choice->group->scores_are_due()) runs_.back().logits_from = 0;
    last_step_.tokens += planned.run.tokens.size();
    if (!planned.choice->is_reading()) ++last_step_.answers;
  }
  if (planned_.empty()) return;
  const Result<const float*> computed = engine_.runner().Compute(runs_);
  step_end_ = now_();
  ++stats_.steps;
  stats_.step_tokens.Observe(static_cast<double>(last_step_.tokens));
  if (!computed) {
    for (const Planned& planned : planned_) FailGroup(*planned.choice->group, computed.error());
    return;
  }
  const float* logits = *computed;  // null where the step has only beginnings of prompts
  for (size_t i = 0; i < planned_.size(); ++i) {
    Complete(planned_[i], runs_[i], logits);
    logits += (runs_[i].tokens.size() - runs_[i].logits_from) * limits_.vocab;
  }
}

// `logits`: of the tokens from computed.logits_from on, where planned.run may want fewer.
void Scheduler::Complete(const Planned& planned, const Decoder::Run& computed, const float* logits) {
  Choice& choice = *planned.choice;
  Group& group = *choice.group;
  if (choice.has_ended) return;
  if (group.scores_are_due()) {
    const std::span<const int32_t> prompt = std::span(choice.sequence.tokens()).first(group.prompt_size);
    const Status read = group.scores->Read(prompt, computed, logits);
    if (!read) return FailGroup(group, read.error());
  }
  const bool ends_prompt = planned.run.logits_from < planned.run.tokens.size();
  const float* last = ends_prompt ? logits + (planned.run.logits_from - computed.logits_from) * limits_.vocab : logits;
  if (ends_prompt && group.choices > 1 && choice.index == 0) {
    for (const std::unique_ptr<Choice>& other : running_) {
      if (other->group != choice.group || !other->waits_for_first) continue;
      other->waits_for_first = false;
      other->sequence.Follow(choice.sequence);
      other->shared_pages = other->sequence.pages().ids().size();
      other->digests.assign(choice.digests.begin(), choice.digests.end());
      Advance(*other, planned.run, last);
    }
  }
  Advance(choice, planned.run, last);
}

void Scheduler::Advance(Choice& choice, const Decoder::Run& run, const float* logits) {
  const Sequence& sequence = choice.sequence;
  const size_t before = sequence.generated().size();
  const size_t drafted = sequence.drafted_tokens(), accepted = sequence.accepted_tokens();
  const Status advanced = choice.sequence.Advance(run, logits);
  stats_.drafts += sequence.drafted_tokens() > drafted ? 1 : 0;
  stats_.drafted_tokens += sequence.drafted_tokens() - drafted;
  stats_.accepted_tokens += sequence.accepted_tokens() - accepted;
  if (!advanced) {
    // What was chosen before, in the same step.
    if (sequence.generated().size() > before) NoteTokens(choice, before);
    TellNew(choice, {.id = choice.group->id, .choice = choice.index});
    return Fail(choice, advanced.error());
  }
  KeepFullPages(choice);
  if (choice.sequence.generated().size() > before) NoteTokens(choice, before);
}

// Of a choice that had `before` tokens.
void Scheduler::NoteTokens(Choice& choice, size_t before) {
  const auto seconds_since = [&](TimePoint begin) { return std::chrono::duration<double>(step_end_ - begin).count(); };
  const size_t count = choice.sequence.generated().size() - before;
  if (before == 0) {
    choice.first_token = step_end_;
    stats_.time_to_first_token.Observe(seconds_since(choice.group->arrival));
  } else {
    stats_.inter_token.Observe(seconds_since(choice.last_token));
  }
  for (size_t i = 1; i < count; ++i) stats_.inter_token.Observe(0);  // they come together
  choice.last_token = step_end_;
  if (!choice.group->is_score_only) stats_.generated_tokens += count;
}

}  // namespace octet
