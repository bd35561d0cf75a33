#include "eval/answers.h"

#include <algorithm>
#include <utility>

#include "engine/prompt.h"
#include "eval/prompt_tokens.h"
#include "text/jinja/characters.h"
#include "text/unicode.h"

namespace octet {
namespace {

// The text without white space around it and without what doesn't count. Requires valid UTF-8.
std::string Comparable(std::string_view text, const AnswerMatching& matching) {
  std::string kept;
  size_t end = 0;  // of what is no white space
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = jinja::DecodeCharacter(text, at);
    const bool is_space = jinja::IsSpace(character);
    if (is_space && end == 0) continue;
    const bool is_digit = character >= U'0' && character <= U'9';
    if (matching.ignore_numbers && is_digit) continue;
    if (matching.ignore_punctuation && IsAsciiPunctuation(character)) continue;
    kept += matching.ignore_case ? jinja::LowerOf(character) : std::string(text.substr(begin, at - begin));
    if (!is_space) end = kept.size();
  }
  kept.resize(end);
  return kept;
}

}  // namespace

Result<std::vector<int32_t>> AnswerPrompt(const Engine& engine, std::string_view text, bool as_chat) {
  if (as_chat) {
    const ChatMessage message{"user", std::string(text)};
    return ChatPrompt(engine, std::span(&message, 1));
  }
  const Tokenizer* tokenizer = OCTET_TRY(RequireTokenizer(engine));
  std::vector<int32_t> tokens = PromptTokens(*tokenizer, text);
  if (tokens.empty()) return Fail(ErrorCode::kInvalidArgument, "the question is empty");
  return tokens;
}

Result<GivenAnswer> AskFor(EngineSession& session, std::vector<int32_t> prompt, const AnswerLimits& limits,
                           const CancelFlag& cancel) {
  Request request;
  request.prompt = std::move(prompt);
  request.options.max_tokens = limits.max_tokens;
  request.options.stop = limits.until;
  const GenerateResult result = OCTET_TRY(session.Generate(std::move(request), {}, &cancel));
  OCTET_TRY(cancel.Check());
  return GivenAnswer{.text = result.text, .tokens = result.tokens.size()};
}

bool IsRight(std::string_view text, std::span<const std::string> answers, const AnswerMatching& matching) {
  const std::string given = Comparable(text, matching);
  return std::any_of(answers.begin(), answers.end(),
                     [&](const std::string& answer) { return Comparable(answer, matching) == given; });
}

}  // namespace octet
