// What the scheduler keeps of a request and of each answer to it; private to this folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/schedule/prefix_cache.h"
#include "engine/schedule/prompt_scores.h"
#include "engine/schedule/submission.h"
#include "engine/sequence.h"

namespace octet {

// One submission, from arrival until its last choice has ended.
struct Group {
  uint64_t id = 0;
  Request request = {};  // until it begins
  size_t choices = 1;
  OnEvent on_event = {};
  std::chrono::steady_clock::time_point arrival = {};
  std::chrono::steady_clock::time_point admission = {};
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  Digest root = {};          // of the names of its pages
  uint64_t adapter = 0;      // its number, 0 for none
  size_t cached_tokens = 0;  // that the prefix cache had when it began
  CacheMiss miss = CacheMiss::kNone;
  std::optional<PromptScores> scores = {};
  size_t prompt_size = 0;
  size_t max_tokens = 0;  // of each answer, by its wish or by the context's room
  size_t ended_choices = 0;
  size_t most_generated = 0;  // tokens of the longest answer that ended
  size_t most_positions = 0;  // that one choice can come to need in the cache
  bool deadline_passed = false;
  bool is_high = false;        // by its own wish, or because it waited long
  bool is_score_only = false;  // max_tokens 0: a token is chosen and not shown
  // Its keys' angles can change on the way, whereupon no page of it can be shared any more (Sequence::Advance).
  bool may_renew_angles = false;

  bool scores_are_due() const { return scores && scores->size() < prompt_size; }
};

struct Choice {
  Choice(std::shared_ptr<Group> of, size_t place, Sequence runs)
      : group(std::move(of)), index(place), sequence(std::move(runs)) {}

  std::shared_ptr<Group> group;
  size_t index;
  Sequence sequence;
  // Choice 0 reads the prompt; the others wait for its last step and then go on from its pages.
  bool waits_for_first = false;
  bool is_paused = false;            // its pages were given to others
  bool has_ended = false;            // the last event is told
  size_t shared_pages = 0;           // at its beginning, that others may hold too
  std::vector<Digest> digests = {};  // of its full pages that the prefix cache was told of
  size_t digests_angle_length = 0;
  size_t told_tokens = 0;  // of sequence.generated()
  bool told_prompt = false;
  size_t preemptions = 0;
  std::chrono::steady_clock::time_point first_token = {}, last_token = {};

  // More than one token to read: a prompt, or what a pause lost.
  bool is_reading() const { return sequence.tokens().size() - sequence.cached() > 1; }
};

}  // namespace octet
