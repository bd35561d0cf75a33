#include "serve/api/sampling_fields.h"

#include <charconv>
#include <random>

#include "base/cat.h"

namespace octet::serve {
namespace {

constexpr size_t kMostStops = 16, kLongestStop = 1024, kMostBiases = 4096, kMostListedTokens = 65536;
constexpr size_t kLongestSalt = 1024;
constexpr double kMostPenalty = 2, kMostBias = 100;

void ReadStop(Fields& fields, GenerateOptions& options) {
  const Json* stop = fields.Any("stop");
  if (stop == nullptr) return;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  if (!list.is_array() || list.size() > kMostStops)
    return fields.Refuse("stop", Cat("is a text, or a list of at most ", kMostStops, " texts"));
  for (const Json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().size() > kLongestStop)
      return fields.Refuse("stop", Cat("has an entry that is no text of at most ", kLongestStop, " bytes"));
    if (!text.get_ref<const std::string&>().empty()) options.stop.push_back(text.get<std::string>());
  }
}

void ReadTokenList(Fields& fields, std::string_view name, size_t vocab, std::vector<int32_t>& out) {
  const Json* list = fields.List(name, kMostListedTokens);
  if (list == nullptr) return;
  ApiResult<std::vector<int32_t>> ids = TokenIds(*list, vocab, name);
  if (!ids) return fields.Refuse(ids.error());
  out = std::move(*ids);
}

void ReadLogitBias(Fields& fields, size_t vocab, std::vector<LogitBias>& out) {
  const Json* object = fields.Object("logit_bias");
  if (object == nullptr) return;
  if (object->size() > kMostBiases)
    return fields.Refuse("logit_bias", Cat("has ", object->size(), " entries, at most ", kMostBiases, " are taken"));
  for (const auto& [key, value] : object->items()) {
    int32_t token = -1;
    const std::from_chars_result read = std::from_chars(key.data(), key.data() + key.size(), token);
    const bool is_token = read.ec == std::errc() && read.ptr == key.data() + key.size() && token >= 0 &&
                          static_cast<size_t>(token) < vocab;
    if (!is_token)
      return fields.Refuse(
          "logit_bias", Cat("has the key `", key.substr(0, 40), "`, token ids from 0 to ", vocab - 1, " are expected"));
    const double bias = value.is_number() ? value.get<double>() : 2 * kMostBias;
    if (!(bias >= -kMostBias && bias <= kMostBias))
      return fields.Refuse("logit_bias", Cat("of token ", token, " is no number from ", -kMostBias, " to ", kMostBias));
    out.push_back({token, static_cast<float>(bias)});
  }
}

void ReadChances(Fields& fields, const SamplingOptions& defaults, SamplingOptions& out) {
  const auto number = [&](std::string_view name, double low, double high, double otherwise) {
    return static_cast<float>(fields.Number(name, low, high).value_or(otherwise));
  };
  out.temperature = number("temperature", 0, 100, defaults.temperature > 0 ? defaults.temperature : 1.0);
  out.top_p = number("top_p", 0, 1, defaults.top_p);
  if (out.top_p <= 0) fields.Refuse("top_p", "is 0, a number above 0 and up to 1 is expected");
  out.min_p = number("min_p", 0, 1, defaults.min_p);
  // Of vLLM's clients some send -1 for all tokens.
  out.top_k = static_cast<int32_t>(std::max<int64_t>(0, fields.Integer("top_k", -1, 1 << 30).value_or(defaults.top_k)));
  out.repetition_penalty = number("repetition_penalty", 0.01, 100, defaults.repetition_penalty);
  out.frequency_penalty = number("frequency_penalty", -kMostPenalty, kMostPenalty, defaults.frequency_penalty);
  out.presence_penalty = number("presence_penalty", -kMostPenalty, kMostPenalty, defaults.presence_penalty);
  const std::optional<int64_t> seed = fields.Integer("seed", INT64_MIN, INT64_MAX);
  out.seed = seed ? static_cast<uint64_t>(*seed) : uint64_t{std::random_device{}()};
}

}  // namespace

void ReadSampling(Fields& fields, const ServedModel& model, Generation& generation) {
  GenerateOptions& options = generation.options;
  options.sampling = model.defaults.sampling;
  ReadChances(fields, model.defaults.sampling, options.sampling);
  ReadLogitBias(fields, model.vocab, options.sampling.logit_bias);
  ReadTokenList(fields, "allowed_token_ids", model.vocab, options.sampling.allowed_tokens);
  if (const Json* allowed = fields.Any("allowed_token_ids");
      allowed != nullptr && allowed->is_array() && allowed->empty())
    fields.Refuse("allowed_token_ids", "is empty, which leaves no token to answer with; leave it out to allow all");
  ReadTokenList(fields, "stop_token_ids", model.vocab, options.stop_tokens);
  ReadStop(fields, options);
  options.sampling.min_tokens =
      static_cast<size_t>(fields.Integer("min_tokens", 0, static_cast<int64_t>(model.context)).value_or(0));
  options.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  options.show_special = !fields.Bool("skip_special_tokens").value_or(true);
  generation.include_stop_text = fields.Bool("include_stop_str_in_output").value_or(false);
  generation.choices =
      static_cast<size_t>(fields.Integer("n", 1, static_cast<int64_t>(model.most_choices)).value_or(1));
  generation.stream = fields.Bool("stream").value_or(false);
  // vLLM's rule: the lower number goes first. There is one class below the usual one's numbers, and none above.
  generation.priority = fields.Integer("priority", INT32_MIN, 0).value_or(0) < 0 ? Priority::kHigh : Priority::kNormal;
  const std::optional<std::string> salt = fields.Text("cache_salt", kLongestSalt);
  if (salt && salt->empty()) fields.Refuse("cache_salt", "is empty, 1 to 1024 bytes are expected");
  generation.cache_salt = salt.value_or("");
  fields.Ignore({"user", "metadata", "store", "service_tier", "request_id", "safety_identifier", "prompt_cache_key",
                 "spaces_between_special_tokens"});
  fields.RefuseUnlessOff({"use_beam_search", "bad_words", "truncate_prompt_tokens", "prompt_logprobs",
                          "logprob_token_ids", "return_token_ids", "return_tokens_as_token_ids", "logits_processors",
                          "detailed_usage", "samplers", "mirostat", "lora"},
                         "isn't supported; leave it out");
  const int64_t best_of = fields.Integer("best_of", 0, INT32_MAX).value_or(0);
  if (best_of > 0 && static_cast<size_t>(best_of) != generation.choices)
    fields.Refuse("best_of", Cat("is ", best_of, ", only that of `n` is supported, ", generation.choices));
}

std::optional<ApiError> CheckMinTokens(const GenerateOptions& options) {
  const size_t least = options.sampling.min_tokens;
  if (!options.max_tokens || least <= *options.max_tokens) return std::nullopt;
  return WrongField("min_tokens", Cat("`min_tokens` is ", least, ", the answer may have at most ", *options.max_tokens,
                                      "; ask for less, or raise `max_tokens`"));
}

StreamOptions ReadStreamOptions(Fields& fields, bool stream) {
  StreamOptions out;
  const Json* object = fields.Object("stream_options");
  if (object == nullptr) return out;
  if (!stream) fields.Refuse("stream_options", "is given without `stream`: true");
  Fields inner(*object, "stream_options.");
  out.include_usage = inner.Bool("include_usage").value_or(false);
  out.continuous_usage = inner.Bool("continuous_usage_stats").value_or(false);
  inner.Ignore({"include_obfuscation"});
  if (inner.failed()) fields.Refuse(inner.error());
  return out;
}

}  // namespace octet::serve
