#include "serve/api/generation.h"

#include <algorithm>
#include <random>

#include "base/cat.h"
#include "base/json_text.h"

namespace octet::serve {
namespace {

constexpr double kMilliseconds = 1000;

}  // namespace

std::string ReplyShape::Failure(const ApiError& error) { return Cat(Frame(ErrorJson(error)), kDoneFrame); }

std::string MakeCallId(ToolFormat format, std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyz";
  // Mistral's templates refuse ids of another length, and other characters.
  const bool is_short = format == ToolFormat::kMistral;
  std::string id(is_short ? "" : prefix);
  std::random_device random;
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  for (size_t left = is_short ? 9 : 24; left > 0; --left) id.push_back(kLetters[letter(random)]);
  return id;
}

std::string_view FinishName(const ChoiceState& state) {
  return state.finish == FinishReason::kStop ? "stop" : "length";
}

Json StopReason(const ReplyContext& context, const ChoiceState& state) {
  if (state.finish != FinishReason::kStop) return nullptr;
  if (state.stop_string) return context.stops[*state.stop_string];
  const std::vector<int32_t>& ids = context.stop_tokens;
  if (state.tokens.empty() || std::find(ids.begin(), ids.end(), state.tokens.back().token) == ids.end()) return nullptr;
  return state.tokens.back().token;
}

Json UsageJson(std::span<const ChoiceState> answers, size_t choices) {
  size_t prompt = 0, generated = 0, cached = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    generated += answers[i].tokens.size();
    if (i % choices != 0) continue;
    prompt += answers[i].prompt_tokens;
    cached += answers[i].usage.timings.cached_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", generated},
          {"total_tokens", prompt + generated},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

Json TimingsJson(const ChoiceState& state) {
  const ChoiceUsage& usage = state.usage;
  const Timings& times = usage.timings;
  Json json = {{"cache_n", times.cached_tokens},
               {"cache_miss", CacheMissName(usage.miss)},
               {"prompt_n", times.prompt_tokens - times.cached_tokens},
               {"prompt_ms", times.prompt_seconds * kMilliseconds},
               {"prompt_per_second", times.PromptRate()},
               {"predicted_n", times.generated_tokens},
               {"predicted_ms", times.decode_seconds * kMilliseconds},
               {"predicted_per_second", times.DecodeRate()},
               {"queue_ms", usage.queue_seconds * kMilliseconds}};
  if (times.drafted_tokens > 0) {
    json["draft_n"] = times.drafted_tokens;
    json["draft_n_accepted"] = times.accepted_tokens;
  }
  if (usage.mask_seconds) json["mask_ms"] = *usage.mask_seconds * kMilliseconds;
  return json;
}

std::string Frame(const Json& json) { return Cat("data: ", Dump(json), "\n\n"); }

std::string NamedFrame(std::string_view event, const Json& json) {
  return Cat("event: ", event, "\ndata: ", Dump(json), "\n\n");
}

}  // namespace octet::serve
