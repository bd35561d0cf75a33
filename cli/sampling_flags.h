// The flags of every verb that generates, laid over what the model's generation_config says.
//
//   struct RunOptions { SamplingFlags sampling; ... visit(&RunOptions::sampling); };
//   GenerateOptions generate = OCTET_TRY(ToGenerateOptions(options.sampling, engine->defaults()));
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "engine/generation_defaults.h"
#include "octet/generate.h"

namespace octet::cli {

struct SamplingFlags {
  std::optional<size_t> max_tokens;
  std::optional<double> temperature, top_p, min_p;
  std::optional<int32_t> top_k;
  std::optional<double> repetition_penalty;
  double frequency_penalty = 0, presence_penalty = 0;
  uint64_t seed = 0;
  std::vector<std::string> logit_bias;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_tokens;
  size_t min_tokens = 0;
  bool ignore_eos = false;
  int32_t logprobs = -1;

  template <class Visit>
  static void Describe(Visit&& visit) {
    using F = SamplingFlags;
    visit(&F::max_tokens, "max-tokens", "most tokens of the answer; not given: what the context has room for");
    visit(&F::temperature, "temperature",
          "0 is greedy, higher is more random; not given: the model's generation_config, else 0", Between{0, 100});
    visit(&F::top_k, "top-k", "only the k most likely tokens can be drawn; 0: all", Between{0, 1 << 30});
    visit(&F::top_p, "top-p", "only the most likely tokens that together reach this probability, above 0, up to 1");
    visit(&F::min_p, "min-p", "only tokens at least this fraction as likely as the most likely", Between{0, 1});
    visit(&F::repetition_penalty, "repetition-penalty",
          "above 1 makes tokens of prompt and answer less likely; above 0, up to 100");
    visit(&F::frequency_penalty, "frequency-penalty", "taken off a token's logit per time it stands in the answer",
          Between{-100, 100});
    visit(&F::presence_penalty, "presence-penalty", "taken off a token's logit where it stands in the answer",
          Between{-100, 100});
    visit(&F::seed, "seed", "the same seed draws the same answer");
    visit(&F::logit_bias, "logit-bias", "added to a token's logit, -100 to 100; may be repeated", Takes{"ID=BIAS"});
    visit(&F::stop, "stop", "the answer ends before this text; may be repeated");
    visit(&F::stop_tokens, "stop-tokens", "token ids that end the answer, beside the model's own", Takes{"IDS"});
    visit(&F::min_tokens, "min-tokens", "the answer can't end before it has so many tokens");
    visit(&F::ignore_eos, "ignore-eos", "the model's own end tokens don't end the answer");
    visit(&F::logprobs, "logprobs",
          "0: log-probability of each token in --json, N: also of the N most likely; -1: none", Between{-1, 1000});
  }
};

// Fails with invalid_argument, naming the flag, for a bias that isn't ID=BIAS, for a number that its help leaves out
// and for a token that is not below `vocab`.
Result<GenerateOptions> ToGenerateOptions(const SamplingFlags& flags, const GenerationDefaults& defaults, size_t vocab);

}  // namespace octet::cli
