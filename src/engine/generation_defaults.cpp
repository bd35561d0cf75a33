#include "engine/generation_defaults.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "base/log.h"
#include "engine/sample/check_sampling.h"

namespace octet {
namespace {

constexpr int64_t kMostEndTokens = 1024;
// Every step looks at each word.
constexpr size_t kMostWords = 100'000;
constexpr size_t kMostWordTokens = 1024;

Status AddEndToken(const Json& token, size_t vocab, std::string_view where, std::vector<int32_t>& tokens) {
  if (!token.is_number_integer()) {
    return Fail(ErrorCode::kCorrupt, where, ": `eos_token_id` holds ", token.type_name(), ", integers are expected");
  }
  const int64_t id = token.get<int64_t>();
  // Published files name ids of tokens that were cut off later; they can't be chosen, so they can't end anything.
  if (id < 0 || static_cast<uint64_t>(id) >= vocab) return {};
  const auto narrow = static_cast<int32_t>(id);
  if (std::find(tokens.begin(), tokens.end(), narrow) == tokens.end()) tokens.push_back(narrow);
  return {};
}

Status AddEndTokens(const Json& config, size_t vocab, std::string_view where, std::vector<int32_t>& tokens) {
  const Json* member = FindMember(config, "eos_token_id");
  if (member == nullptr) return {};
  if (!member->is_array()) return AddEndToken(*member, vocab, where, tokens);
  if (member->size() > kMostEndTokens) {
    return Fail(ErrorCode::kCorrupt, where, ": `eos_token_id` lists ", Counted(member->size(), "token"), ", at most ",
                kMostEndTokens, " are read");
  }
  for (const Json& token : *member) OCTET_TRY(AddEndToken(token, vocab, where, tokens));
  return {};
}

// One of bad_words_ids. A word that only an end token makes stays allowed, as transformers has it; one with a token
// outside the vocabulary can't be said.
Status AddBannedWord(const Json& word, size_t vocab, std::string_view where, GenerationDefaults& defaults) {
  if (!word.is_array() || word.empty() || word.size() > kMostWordTokens) {
    return Fail(ErrorCode::kCorrupt, where, ": `bad_words_ids` holds ", word.type_name(), " of ", word.size(),
                ", lists of 1 to ", kMostWordTokens, " tokens are expected");
  }
  std::vector<int32_t> tokens;
  for (const Json& token : word) {
    if (!token.is_number_integer())
      return Fail(ErrorCode::kCorrupt, where, ": `bad_words_ids` holds ", token.type_name(), ", integers are expected");
    const int64_t id = token.get<int64_t>();
    if (id < 0 || static_cast<uint64_t>(id) >= vocab) return {};
    tokens.push_back(static_cast<int32_t>(id));
  }
  const std::vector<int32_t>& ends = defaults.end_tokens;
  if (tokens.size() > 1) {
    defaults.sampling.banned_sequences.push_back(std::move(tokens));
  } else if (std::find(ends.begin(), ends.end(), tokens.front()) == ends.end()) {
    defaults.sampling.banned_tokens.push_back(tokens.front());
  }
  return {};
}

Status AddBannedWords(const Json& config, size_t vocab, std::string_view where, GenerationDefaults& defaults) {
  const Json* words = FindMember(config, "bad_words_ids");
  if (words == nullptr) return {};
  if (!words->is_array() || words->size() > kMostWords) {
    return Fail(ErrorCode::kCorrupt, where, ": `bad_words_ids` is ", words->type_name(), " of ", words->size(),
                ", a list of up to ", kMostWords, " lists of tokens is expected");
  }
  for (const Json& word : *words) OCTET_TRY(AddBannedWord(word, vocab, where, defaults));
  return {};
}

Status ReadFloat(const Json& config, std::string_view key, std::string_view where, float& out) {
  if (FindMember(config, key) == nullptr) return {};
  out = static_cast<float>(OCTET_TRY(GetNumber(config, key, where)));
  return {};
}

Status ReadSampling(const Json& config, size_t vocab, std::string_view where, SamplingOptions& sampling) {
  OCTET_TRY(ReadFloat(config, "temperature", where, sampling.temperature));
  OCTET_TRY(ReadFloat(config, "top_p", where, sampling.top_p));
  OCTET_TRY(ReadFloat(config, "min_p", where, sampling.min_p));
  OCTET_TRY(ReadFloat(config, "repetition_penalty", where, sampling.repetition_penalty));
  if (FindMember(config, "top_k") != nullptr) {
    const double top_k = OCTET_TRY(GetNumber(config, "top_k", where));  // Python writes 50.0 here and there
    if (top_k != std::trunc(top_k))
      return Fail(ErrorCode::kCorrupt, where, ": `top_k` is ", top_k, ", expected an integer");
    // -1 is a common spelling of "all".
    sampling.top_k = static_cast<int32_t>(std::clamp<double>(top_k, 0, INT32_MAX));
  }
  const bool may_sample = FindMember(config, "do_sample") == nullptr || OCTET_TRY(GetBool(config, "do_sample", where));
  if (!may_sample) sampling.temperature = 0;
  const Status checked = CheckSampling(sampling, vocab);
  if (!checked) return Fail(ErrorCode::kCorrupt, where, ": ", checked.error().message);
  return {};
}

// Fields that would change the answers in transformers and have no counterpart here.
void WarnOfUnknownWishes(const Json& config, std::string_view where) {
  constexpr std::string_view kWishes[] = {
      "suppress_tokens", "begin_suppress_tokens", "no_repeat_ngram_size", "stop_strings",
      "typical_p",       "forced_bos_token_id",   "forced_eos_token_id",  "exponential_decay_length_penalty",
      "num_beams"};
  // What each of them is where it asks for nothing.
  const auto is_neutral = [](const Json& value) {
    return value.is_null() || value == 0 || value == 1 || value == 1.0 || (value.is_array() && value.empty());
  };
  for (const std::string_view wish : kWishes) {
    const Json* value = FindMember(config, wish);
    if (value != nullptr && !is_neutral(*value))
      LogWarning(where, ": generation_config's `", wish, "` isn't known and has no effect");
  }
}

}  // namespace

Result<GenerationDefaults> ReadGenerationDefaults(const Json& generation_config, const ModelSpec& spec,
                                                  std::string_view where) {
  GenerationDefaults defaults;
  WarnOfUnknownWishes(generation_config, where);
  OCTET_TRY(AddEndTokens(generation_config, spec.vocab, where, defaults.end_tokens));
  for (const int32_t token : spec.eos_ids)
    OCTET_TRY(AddEndToken(token, spec.vocab, "config.json", defaults.end_tokens));
  OCTET_TRY(AddBannedWords(generation_config, spec.vocab, where, defaults));
  OCTET_TRY(ReadSampling(generation_config, spec.vocab, where, defaults.sampling));
  return defaults;
}

}  // namespace octet
