#include "cli/sampling_flags.h"

#include <utility>

namespace octet::cli {
namespace {

constexpr Between kBias{-100, 100};
constexpr double kMostPenalty = 100;

Status CheckToken(std::string_view flag, int32_t token, size_t vocab) {
  if (token >= 0 && static_cast<size_t>(token) < vocab) return {};
  return Fail(ErrorCode::kInvalidArgument, flag, ": token ", token, " is outside the vocabulary's 0..", vocab - 1);
}

// For a range that leaves its lower end out. The rounding to float may reach 0.
Status CheckAboveZero(std::string_view flag, const std::optional<double>& value, double most) {
  if (!value || (static_cast<float>(*value) > 0 && *value <= most)) return {};
  return Fail(ErrorCode::kInvalidArgument, flag, ": ", *value, " is not above 0, up to ", most);
}

Result<LogitBias> ParseBias(const std::string& text, size_t vocab) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos)
    return Fail(ErrorCode::kInvalidArgument, "--logit-bias: `", text, "` is not ID=BIAS, as in 42=-5");
  LogitBias bias;
  OCTET_TRY(internal::ParseValue(text.substr(0, equals), "--logit-bias", bias.token));
  OCTET_TRY(internal::ParseValue(text.substr(equals + 1), "--logit-bias", bias.bias));
  OCTET_TRY(internal::CheckRange(bias.bias, kBias, text.substr(equals + 1), "--logit-bias"));
  OCTET_TRY(CheckToken("--logit-bias", bias.token, vocab));
  return bias;
}

template <class To, class From>
void Overlay(const std::optional<From>& given, To& value) {
  if (given) value = static_cast<To>(*given);
}

}  // namespace

Result<GenerateOptions> ToGenerateOptions(const SamplingFlags& flags, const GenerationDefaults& defaults,
                                          size_t vocab) {
  OCTET_TRY(CheckAboveZero("--top-p", flags.top_p, 1));
  OCTET_TRY(CheckAboveZero("--repetition-penalty", flags.repetition_penalty, kMostPenalty));
  for (const int32_t token : flags.stop_tokens) OCTET_TRY(CheckToken("--stop-tokens", token, vocab));
  GenerateOptions options;
  SamplingOptions& sampling = options.sampling;
  sampling = defaults.sampling;
  Overlay(flags.temperature, sampling.temperature);
  Overlay(flags.top_k, sampling.top_k);
  Overlay(flags.top_p, sampling.top_p);
  Overlay(flags.min_p, sampling.min_p);
  Overlay(flags.repetition_penalty, sampling.repetition_penalty);
  sampling.frequency_penalty = static_cast<float>(flags.frequency_penalty);
  sampling.presence_penalty = static_cast<float>(flags.presence_penalty);
  sampling.seed = flags.seed;
  sampling.min_tokens = flags.min_tokens;
  sampling.logprobs = flags.logprobs;
  for (const std::string& text : flags.logit_bias) sampling.logit_bias.push_back(OCTET_TRY(ParseBias(text, vocab)));
  options.max_tokens = flags.max_tokens;
  options.stop = flags.stop;
  options.stop_tokens = flags.stop_tokens;
  options.ignore_eos = flags.ignore_eos;
  return options;
}

}  // namespace octet::cli
