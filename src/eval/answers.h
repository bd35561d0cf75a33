// Free answers: what a model says behind a question, and whether it is the answer that is wanted.
//
//   EngineSession session(*engine);
//   std::vector<int32_t> prompt = OCTET_TRY(AnswerPrompt(*engine, MakePrompt(frame, item.question),
//   /*as_chat=*/false)); GivenAnswer answer = OCTET_TRY(AskFor(session, std::move(prompt), {.until = {"\n"}}, cancel));
//   if (IsRight(answer.text, item.answers, {})) ...
//
// Greedy, as generate_until of lm-evaluation-harness; what prompts begin with in common is computed once
// (engine/session.h). Items: eval/items.h.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "engine/session.h"

namespace octet {

// The tokens of a prompt: as it stands, or as one message of a user by the model's chat template. Fails with
// invalid_argument where the model has no tokenizer or no template, or the text no tokens.
Result<std::vector<int32_t>> AnswerPrompt(const Engine& engine, std::string_view text, bool as_chat);

struct AnswerLimits {
  std::vector<std::string> until = {};  // the answer ends before the first of these
  size_t max_tokens = 256;
};

struct GivenAnswer {
  std::string text;
  size_t tokens = 0;  // generated, the one that ended it included
};

// Fails as the session does; with cancelled once the flag is set, since half an answer is none.
Result<GivenAnswer> AskFor(EngineSession& session, std::vector<int32_t> prompt, const AnswerLimits& limits,
                           const CancelFlag& cancel);

// What doesn't count when answers are compared, beside white space around them.
struct AnswerMatching {
  bool ignore_case = false;
  bool ignore_punctuation = false;  // of ASCII
  bool ignore_numbers = false;      // digits of ASCII
};

// Whether the text is one of the answers.
bool IsRight(std::string_view text, std::span<const std::string> answers, const AnswerMatching& matching);

}  // namespace octet
