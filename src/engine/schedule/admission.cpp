// Who begins: the queue's part of the scheduler.
#include <algorithm>
#include <utility>

#include "engine/schedule/scheduler.h"
#include "nn/kv_layout.h"

namespace octet {
namespace {

bool GoesBefore(const Choice& a, const Choice& b) {
  if (a.group->is_high != b.group->is_high) return a.group->is_high;
  if (a.group->id != b.group->id) return a.group->id < b.group->id;
  return a.index < b.index;
}

}  // namespace

void Scheduler::Admit(TimePoint now) {
  if (running_.empty() && high_.empty() && normal_.empty()) return;
  size_t free_pages = FreePages();
  // What was put back goes before all that is new, or it might never come to its turn.
  if (!ResumePaused(free_pages)) return;
  while (Queue* queue = NextQueue(now)) {
    if (!Begin(queue->front(), now, free_pages)) return;
    queue->pop_front();
  }
}

Scheduler::Queue* Scheduler::NextQueue(TimePoint now) {
  if (normal_.empty()) return high_.empty() ? nullptr : &high_;
  Group& normal = *normal_.front();
  if (std::chrono::duration<double>(now - normal.arrival).count() >= options_.promote_seconds) normal.is_high = true;
  if (high_.empty()) return &normal_;
  return normal.is_high && normal.id < high_.front()->id ? &normal_ : &high_;
}

// True where nobody is paused any more.
bool Scheduler::ResumePaused(size_t& free_pages) {
  bool others_run =
      std::any_of(running_.begin(), running_.end(), [](const auto& choice) { return !choice->is_paused; });
  for (const std::unique_ptr<Choice>& choice : running_) {
    if (!choice->is_paused) continue;
    Sequence& sequence = choice->sequence;
    PrefixCache::Found found = FindPrefix(*choice->group, sequence.tokens(), sequence.angle_length());
    // One page more than now, so that it isn't put back at once.
    const size_t pages =
        nn::KvLayout::PagesFor(sequence.tokens().size()) + (others_run ? 1 : 0) - LivePages(found.pages);
    if (pages > free_pages && others_run) return false;
    free_pages -= std::min(pages, free_pages);
    sequence.UsePages(TableOf(found.pages), found.pages.size() * kernels::kPagePositions);
    choice->digests = std::move(found.digests);
    choice->is_paused = false;
    others_run = true;
  }
  return true;
}

PrefixCache::Found Scheduler::FindPrefix(const Group& group, std::span<const int32_t> tokens, size_t angle_length) {
  if (!options_.prefix_cache) return {.miss = CacheMiss::kOff};
  if (group.scores_are_due()) return {.miss = CacheMiss::kPromptScores};
  return cache_.Find(group.root, tokens, angle_length);
}

// False where there is no room yet.
bool Scheduler::Begin(const GroupPointer& group, TimePoint now, size_t& free_pages) {
  if (running_.size() + group->choices > options_.max_running) return false;
  const std::vector<int32_t>& prompt = group->request.prompt;
  PrefixCache::Found found = FindPrefix(*group, prompt, prompt.size());
  size_t pages = PagesToBegin(*group, found.pages);
  if (pages > free_pages) {
    if (!running_.empty()) return false;
    // Pages that have to be given up on the way, with no room for those after: it goes without them.
    found = {.miss = CacheMiss::kOtherAngles};
    pages = PagesToBegin(*group, {});
  }
  free_pages -= std::min(pages, free_pages);
  group->admission = now;
  group->miss = found.miss;
  group->cached_tokens = found.pages.size() * kernels::kPagePositions;
  stats_.prompt_tokens += group->prompt_size;
  if (options_.prefix_cache && !group->scores) stats_.cache_queries += group->prompt_size;
  stats_.cache_hits += group->cached_tokens;
  const Status added = AddChoices(group, std::move(found));
  if (!added) FailUnbegun(*group, added.error());
  return true;
}

Status Scheduler::AddChoices(const GroupPointer& group, PrefixCache::Found found) {
  if (group->is_score_only) group->request.options.max_tokens = 1;
  std::vector<std::unique_ptr<Choice>> choices;
  for (size_t i = 0; i < group->choices; ++i) {
    Request request = group->request;
    request.number += static_cast<uint32_t>(i);
    const bool is_first = i == 0;
    PageTable pages = is_first ? TableOf(found.pages) : engine_.MakePages();
    Sequence sequence =
        OCTET_TRY(Sequence::Create(std::move(request), limits_, std::move(pages), is_first ? group->cached_tokens : 0));
    choices.push_back(std::make_unique<Choice>(group, i, std::move(sequence)));
    Choice& choice = *choices.back();
    choice.waits_for_first = !is_first && !choice.sequence.finished();
    choice.digests_angle_length = choice.sequence.angle_length();
    choice.digests.reserve(nn::KvLayout::PagesFor(group->most_positions));
  }
  choices[0]->shared_pages = found.pages.size();
  choices[0]->digests.assign(found.digests.begin(), found.digests.end());
  group->request = {};
  for (std::unique_ptr<Choice>& choice : choices) Insert(std::move(choice));
  return {};
}

void Scheduler::Insert(std::unique_ptr<Choice> choice) {
  const auto place = std::upper_bound(running_.begin(), running_.end(), choice,
                                      [](const auto& a, const auto& b) { return GoesBefore(*a, *b); });
  running_.insert(place, std::move(choice));
}

}  // namespace octet
