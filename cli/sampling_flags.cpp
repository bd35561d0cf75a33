#include "cli/sampling_flags.h"

#include <utility>

namespace octet::cli {
namespace {

Result<LogitBias> ParseBias(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos)
    return Fail(ErrorCode::kInvalidArgument, "--logit-bias: `", text, "` is not ID=BIAS, as in 42=-5");
  LogitBias bias;
  OCTET_TRY(internal::ParseValue(text.substr(0, equals), "--logit-bias", bias.token));
  OCTET_TRY(internal::ParseValue(text.substr(equals + 1), "--logit-bias", bias.bias));
  return bias;
}

template <class To, class From>
void Overlay(const std::optional<From>& given, To& value) {
  if (given) value = static_cast<To>(*given);
}

}  // namespace

Result<GenerateOptions> ToGenerateOptions(const SamplingFlags& flags, const GenerationDefaults& defaults) {
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
  for (const std::string& text : flags.logit_bias) sampling.logit_bias.push_back(OCTET_TRY(ParseBias(text)));
  options.max_tokens = flags.max_tokens;
  options.stop = flags.stop;
  options.stop_tokens = flags.stop_tokens;
  options.ignore_eos = flags.ignore_eos;
  return options;
}

}  // namespace octet::cli
