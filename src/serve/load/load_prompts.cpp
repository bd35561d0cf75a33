#include "serve/load/load_prompts.h"

#include <algorithm>
#include <array>

#include "base/json_text.h"
#include "base/random.h"
#include "formats/json_lines.h"

namespace octet::serve {
namespace {

// Short and common, so that most vocabularies have a token for each.
constexpr std::array<std::string_view, 64> kWords = {
    "the",   "a",    "of",   "and",   "to",   "in",    "is",   "was",  "for",   "on",    "as",    "with", "by",
    "he",    "she",  "at",   "from",  "his",  "her",   "it",   "an",   "were",  "are",   "which", "this", "also",
    "be",    "has",  "had",  "first", "one",  "their", "its",  "new",  "after", "but",   "who",   "not",  "they",
    "have",  "two",  "been", "other", "when", "time",  "year", "all",  "some",  "there", "can",   "into", "more",
    "years", "made", "over", "used",  "city", "only",  "many", "part", "world", "found", "state", "work"};

Json BodyOf(const LoadPrompt& prompt, const AskSettings& settings) {
  Json body = {{"model", settings.model}};
  if (!settings.is_chat)
    body["prompt"] = prompt.content;
  else if (prompt.content.is_string())
    body["messages"] = Json::array({{{"role", "user"}, {"content", prompt.content}}});
  else
    body["messages"] = prompt.content;
  body["temperature"] = settings.temperature;
  return body;
}

Result<LoadPrompt> ReadPrompt(const Json& line, const std::string& where) {
  if (!line.is_object()) return Fail(ErrorCode::kCorrupt, where, ": the line is no JSON object");
  LoadPrompt prompt;
  const Json* messages = FindMember(line, "messages");
  if (messages != nullptr) {
    if (!messages->is_array() || messages->empty())
      return Fail(ErrorCode::kCorrupt, where, ": messages is no list, or an empty one");
    prompt.content = *messages;
  } else {
    prompt.content = OCTET_TRY(GetString(line, "prompt", where));
  }
  if (FindMember(line, "max_tokens") != nullptr) {
    const int64_t tokens = OCTET_TRY(GetInteger(line, "max_tokens", where));
    if (tokens < 1) return Fail(ErrorCode::kCorrupt, where, ": max_tokens is ", tokens, ", at least 1 is expected");
    prompt.max_tokens = static_cast<size_t>(tokens);
  }
  return prompt;
}

}  // namespace

Result<LoadPrompts> LoadPrompts::Read(const std::filesystem::path& path) {
  JsonLines lines = OCTET_TRY(JsonLines::Open(path));
  LoadPrompts prompts;
  while (const std::optional<Json> line = OCTET_TRY(lines.Next())) {
    LoadPrompt prompt = OCTET_TRY(ReadPrompt(*line, lines.where()));
    prompts.from_file_.push_back(std::move(prompt));
  }
  if (prompts.from_file_.empty()) return Fail(ErrorCode::kInvalidArgument, path, " has no prompts");
  return prompts;
}

LoadPrompts LoadPrompts::OfWords(size_t words, uint64_t seed) {
  LoadPrompts prompts;
  prompts.words_ = words;
  prompts.seed_ = seed;
  return prompts;
}

LoadPrompt LoadPrompts::At(size_t request) const {
  if (!from_file_.empty()) return from_file_[request % from_file_.size()];
  const CounterRandom random{.seed = seed_};
  std::string text;
  for (size_t i = 0; i < words_; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random.Bits(static_cast<uint32_t>(request), static_cast<uint32_t>(i)) % kWords.size()];
  }
  return {.content = std::move(text)};
}

bool LoadPrompts::has_messages() const {
  return std::any_of(from_file_.begin(), from_file_.end(),
                     [](const LoadPrompt& prompt) { return prompt.content.is_array(); });
}

std::string RequestBody(const LoadPrompt& prompt, const AskSettings& settings) {
  Json body = BodyOf(prompt, settings);
  body["max_tokens"] = prompt.max_tokens.value_or(settings.max_tokens);
  if (settings.ignore_eos) body["ignore_eos"] = true;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  return Dump(body);
}

std::string ProbeBody(const LoadPrompt& prompt, const AskSettings& settings) {
  Json body = BodyOf(prompt, settings);
  body["max_tokens"] = 1;
  return Dump(body);
}

}  // namespace octet::serve
