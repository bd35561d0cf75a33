// What is asked of an engine that many use at once, and what it tells while it answers.
//
//   Submission submission{.request = {.prompt = ids, .options = options}, .choices = 2};
//   uint64_t id = OCTET_TRY(loop.Submit(std::move(submission), [](ChoiceEvent event) { ... }));
//
// Who takes them: engine/schedule/engine_loop.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "octet/error.h"

namespace octet {

enum class Priority { kHigh, kNormal };  // high ones go first, but a normal one that waited long counts as high

struct Submission {
  // max_tokens 0 with prompt_logprobs scores the prompt alone.
  Request request = {};
  // Answers to the one prompt, which they share. Choice i draws as a request with the number request.number + i.
  size_t choices = 1;
  Priority priority = Priority::kNormal;
  // Where it passes in the queue the request fails; an answer that has begun ends there as if cancelled.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  // Cached beginnings of prompts serve only requests with the same salt. Give each tenant its own: whether a prompt is
  // answered quickly tells whether somebody asked it before.
  std::string cache_salt = {};
  // Log-probabilities of the prompt's tokens: 0 of the tokens themselves, n also of the n most likely at each place.
  // Such a prompt is computed whole: the cache holds no logits.
  std::optional<int32_t> prompt_logprobs = {};
};

// Why no more of a prompt came from the cache.
enum class CacheMiss {
  kNone,          // all that could: every full page before the last token
  kOff,           // the cache is off
  kShortPrompt,   // a page has 32 tokens, the prompt none that is full before its last token
  kPromptScores,  // prompt_logprobs need every token computed
  kNew,           // the prompt, or the rest of it, was never asked with this salt, or too long ago to know
  kEvicted,       // it was cached, and gave way to others
  kOtherAngles,  // it is cached for prompts of other lengths, at which this model turns keys by other angles (longrope)
};

// The reason's name as it stands in JSON, for example "evicted".
std::string_view CacheMissName(CacheMiss miss);

// What a choice took; with its last event.
struct ChoiceUsage {
  Timings timings = {};  // prompt_seconds count from when the request left the queue
  double queue_seconds = 0;
  double total_seconds = 0;  // from Submit to the last token
  CacheMiss miss = CacheMiss::kNone;
  std::optional<double> mask_seconds = {};  // of its steps, spent on what its grammar allows; absent without one
  size_t preemptions = 0;                   // times that its pages were given to others and computed again
};

// What is new of one choice. Texts joined are the answer, tokens joined its tokens; a token can come before its text.
// The last event of a choice has `finish` or `error`, and each accepted request gets one of them for every choice.
struct ChoiceEvent {
  uint64_t id = 0;  // of the request, as Submit returned it
  size_t choice = 0;
  std::string text = {};
  std::vector<GeneratedToken> tokens = {};
  // With the first event of each choice, where prompt_logprobs were asked for: an entry per prompt token, the first
  // without log-probability.
  std::shared_ptr<const std::vector<GeneratedToken>> prompt = {};

  std::optional<FinishReason> finish = {};  // kCancelled: by Cancel, by the deadline or by the engine's end
  std::optional<size_t> stop_string = {};   // which of GenerateOptions::stop ended it
  bool deadline_passed = false;             // beside kCancelled, or beside an error from the queue
  std::optional<Error> error = {};
  std::optional<ChoiceUsage> usage = {};  // with finish
};

// Runs on the engine's thread between two steps: hand the event on and return. May call Cancel and Submit.
using OnEvent = std::function<void(ChoiceEvent event)>;

}  // namespace octet
