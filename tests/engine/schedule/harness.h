// What the tests of scheduling share: a small real model, answers to hold against, and an ear for events.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/grammar/grammar_source.h"
#include "engine/schedule/scheduler.h"
#include "engine/session.h"
#include "models/adapter.h"
#include "tests/models/golden_model.h"

namespace octet {

inline constexpr Speculation kPlain = {.forced_text = false, .ngram_tokens = 0};  // one token a step

inline std::unique_ptr<Engine> OpenForSchedule(EngineOptions options = {}, const char* model = "smollm2") {
  if (options.threads == 0) options.threads = 2;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(GoldenModel(model), options);
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  return std::move(*engine);
}

inline Request NumberedRequest(size_t prompt, size_t answer, int32_t first = 1) {
  Request request;
  for (size_t i = 0; i < prompt; ++i) request.prompt.push_back((first + static_cast<int32_t>(i) * 7) % 50);
  request.options.max_tokens = answer;
  request.options.ignore_eos = true;
  request.options.sampling.logprobs = 0;
  return request;
}

inline std::shared_ptr<grammar::CompiledGrammar> GrammarFor(Engine& engine, const GrammarSource& source) {
  const auto compiled = engine.grammars().Compile(source);
  EXPECT_TRUE(compiled.has_value()) << compiled.error().message;
  return compiled.value_or(nullptr);
}

// An adapter of tests/golden/adapters, which belongs to the model that its name begins with.
inline std::shared_ptr<const Adapter> OpenGoldenAdapter(const Engine& engine, const std::string& name) {
  return Must(Adapter::Open(std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/adapters" / name, engine.spec()));
}

// A request whose grammar goes beyond its limit of places after some tokens: each "a" doubles the ways in which the
// calls may have come about.
inline Request ExplodingRequest(Engine& engine, size_t prompt) {
  Request request = NumberedRequest(prompt, 60);
  request.grammar =
      GrammarFor(engine, {GrammarSource::Kind::kGbnf, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"d\""});
  for (int32_t id = 0; id < static_cast<int32_t>(engine.spec().vocab); ++id) {
    if (engine.tokenizer()->Decode(std::span(&id, 1)).starts_with('d'))
      request.options.sampling.banned_tokens.push_back(id);
  }
  return request;
}

// Tokens with exact log-probabilities, so that equal means equal bits of logits.
using Reply = std::pair<std::string, std::vector<std::pair<int32_t, float>>>;

inline Reply ReplyOf(std::string text, const std::vector<GeneratedToken>& tokens) {
  Reply reply{std::move(text), {}};
  for (const GeneratedToken& token : tokens) reply.second.emplace_back(token.token, token.logprob.value_or(0));
  return reply;
}

// Choice `choice` of the request as a session gives it, which knows nothing of scheduling. The cache must be free.
inline Reply ReplyAlone(Engine& engine, Request request, size_t choice = 0) {
  request.number += static_cast<uint32_t>(choice);
  EngineSession session(engine);
  const Result<GenerateResult> result = session.Generate(std::move(request), {}, nullptr);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  return ReplyOf(result->text, result->tokens);
}

struct Heard {
  std::string text;
  std::vector<GeneratedToken> tokens;
  std::optional<FinishReason> finish;
  std::optional<Error> error;
  std::optional<ChoiceUsage> usage;
  std::shared_ptr<const std::vector<GeneratedToken>> prompt;
  std::optional<size_t> stop_string;
  bool deadline_passed = false;
  size_t events = 0, ends = 0;

  Reply reply() const { return ReplyOf(text, tokens); }
};

// Keeps what every choice was told. Its OnEvent may be called from another thread.
class Listener {
 public:
  OnEvent ear() {
    return [this](ChoiceEvent event) { Hear(std::move(event)); };
  }

  Heard Of(uint64_t id, size_t choice = 0) const {
    const std::lock_guard lock(mutex_);
    const auto place = heard_.find({id, choice});
    return place == heard_.end() ? Heard{} : place->second;
  }

  size_t choices() const {
    const std::lock_guard lock(mutex_);
    return heard_.size();
  }

 private:
  void Hear(ChoiceEvent event) {
    const std::lock_guard lock(mutex_);
    Heard& heard = heard_[{event.id, event.choice}];
    EXPECT_EQ(heard.ends, 0u) << "an event after the last one of request " << event.id;
    ++heard.events;
    heard.text += event.text;
    for (GeneratedToken& token : event.tokens) heard.tokens.push_back(std::move(token));
    if (event.prompt) heard.prompt = event.prompt;
    if (event.finish || event.error) ++heard.ends;
    if (event.finish) heard.finish = event.finish;
    if (event.error) heard.error = event.error;
    if (event.usage) heard.usage = event.usage;
    if (event.stop_string) heard.stop_string = event.stop_string;
    heard.deadline_passed = event.deadline_passed;
  }

  mutable std::mutex mutex_;
  std::map<std::pair<uint64_t, size_t>, Heard> heard_;
};

// A scheduler whose clock the test moves: a second a step.
class SteppedScheduler {
 public:
  explicit SteppedScheduler(Engine& engine, const ScheduleOptions& options = {})
      : options_(options), scheduler_(engine, options, [this] { return now; }) {
    EXPECT_TRUE(options.Check().has_value());
  }

  uint64_t Submit(Submission submission) {
    const Status fits = scheduler_.Check(submission);
    EXPECT_TRUE(fits.has_value()) << fits.error().message;
    scheduler_.Submit(++last_id_, std::move(submission), listener.ear(), now);
    return last_id_;
  }
  uint64_t Submit(Request request) { return Submit(Submission{.request = std::move(request)}); }

  bool Step() {
    now += std::chrono::seconds(1);
    scheduler_.BeginWaiting();
    const bool more = scheduler_.Step();
    EXPECT_LE(scheduler_.last_step().tokens, options_.step_tokens);
    EXPECT_LE(scheduler_.stats().running, options_.max_running);
    return more;
  }
  // Fails the test rather than go on for ever.
  void RunToEnd() {
    size_t steps = 0;
    while (Step()) ASSERT_LT(++steps, 100000u);
  }

  Scheduler& scheduler() { return scheduler_; }
  const LoopStats& stats() const { return scheduler_.stats(); }

  std::chrono::steady_clock::time_point now = {};
  Listener listener;

 private:
  ScheduleOptions options_;
  uint64_t last_id_ = 0;
  Scheduler scheduler_;
};

}  // namespace octet
