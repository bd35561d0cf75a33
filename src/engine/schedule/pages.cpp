// Who may have how many pages: the cache's part of the scheduler.
//
// Without preemption a request begins only when, behind all that the running ones can still come to need, there is room
// for the most that it can. Pages that the prefix cache alone holds count as free.
#include <algorithm>
#include <utility>

#include "engine/schedule/scheduler.h"
#include "nn/kv_layout.h"

namespace octet {

// That a request alone can come to need.
size_t Scheduler::MostPages(const Group& group) const {
  const size_t each = nn::KvLayout::PagesFor(group.most_positions);
  if (options_.preempt) return each;
  if (group.may_renew_angles) return group.choices * each;
  const size_t shared = group.prompt_size / kernels::kPagePositions;
  return shared + group.choices * (each - shared);
}

// That have to be free for it to begin, where `found` hold the beginning of its prompt.
size_t Scheduler::PagesToBegin(const Group& group, std::span<const PageId> found) const {
  const size_t live = LivePages(found);
  if (options_.preempt) return nn::KvLayout::PagesFor(group.prompt_size) - live;
  // What is found is given up when angles change, and doesn't come free if others hold it.
  if (group.may_renew_angles) return MostPages(group) + found.size() - live;
  return MostPages(group) - live;
}

// That a running choice can still come to take from the pool: ever, or with preemption soon.
size_t Scheduler::PagesToCome(const Choice& choice) const {
  const Group& group = *choice.group;
  const Sequence& sequence = choice.sequence;
  if (choice.has_ended || sequence.finished() || choice.is_paused) return 0;
  if (options_.preempt) {
    return choice.waits_for_first ? 1 : sequence.pages().PagesToTake(sequence.cached(), sequence.tokens().size());
  }
  if (choice.waits_for_first) {
    const size_t shared = group.may_renew_angles ? 0 : group.prompt_size / kernels::kPagePositions;
    return nn::KvLayout::PagesFor(group.most_positions) - shared;
  }
  return sequence.pages().PagesToTake(sequence.cached(), group.most_positions) +
         (group.may_renew_angles ? choice.shared_pages : 0);
}

size_t Scheduler::FreePages() const {
  const PagePool& pool = engine_.cache();
  size_t taken = pool.pages_in_use() - cache_.IdlePages();
  for (const std::unique_ptr<Choice>& choice : running_) taken += PagesToCome(*choice);
  return pool.pages() - std::min(taken, pool.pages());
}

// Of pages that the prefix cache holds, those that a sequence holds as well.
size_t Scheduler::LivePages(std::span<const PageId> pages) const {
  const PagePool& pool = engine_.cache();
  return static_cast<size_t>(
      std::count_if(pages.begin(), pages.end(), [&](PageId page) { return pool.references(page) > 1; }));
}

PageTable Scheduler::TableOf(std::span<const PageId> pages) {
  PageTable table = engine_.MakePages();
  for (const PageId page : pages) table.Append(page);
  return table;
}

// False where the choice has to wait, paused, for pages that others of higher rank have.
bool Scheduler::MakeRoom(Choice& choice, size_t pages) {
  const PagePool& pool = engine_.cache();
  while (pool.pages() - pool.pages_in_use() < pages) {
    if (cache_.EvictOne()) continue;
    // Without preemption there is always room; if not, NextRun says so.
    if (!options_.preempt) return true;
    const auto last = std::find_if(running_.rbegin(), running_.rend(), [&](const std::unique_ptr<Choice>& other) {
      return other.get() == &choice || !other->sequence.pages().ids().empty();
    });
    Pause(**last);
    if (last->get() == &choice) return false;
  }
  return true;
}

void Scheduler::Pause(Choice& choice) {
  choice.sequence.ReleasePages();
  choice.digests.clear();
  choice.shared_pages = 0;
  choice.is_paused = true;
  ++choice.preemptions;
  ++stats_.preemptions;
}

// Tells the prefix cache of pages that were filled since the last step.
void Scheduler::KeepFullPages(Choice& choice) {
  const Sequence& sequence = choice.sequence;
  const size_t length = sequence.angle_length();
  if (std::exchange(choice.digests_angle_length, length) != length) {
    choice.digests.clear();
    choice.shared_pages = 0;
  }
  if (!options_.prefix_cache) return;
  const std::span<const int32_t> tokens = sequence.tokens();
  while (choice.digests.size() < sequence.cached() / kernels::kPagePositions) {
    const size_t page = choice.digests.size(), begin = page * kernels::kPagePositions;
    // Under some rules an answer's tokens count their own length: no prompt of another one has the same keys.
    if (!nn::AnglesAreEqual(limits_.ropes, length, std::max(length, begin + kernels::kPagePositions))) return;
    const Digest& parent = page == 0 ? choice.group->root : choice.digests.back();
    choice.digests.push_back(PrefixCache::Next(parent, tokens.subspan(begin, kernels::kPagePositions)));
    cache_.Add(choice.digests.back(), sequence.pages().ids()[page], length);
  }
}

}  // namespace octet
