// How the next token is chosen from the model's logits, and what is reported about it.
//
//   octet::SamplingOptions sampling;      // greedy: the most likely token, the lowest id among equals
//   sampling.temperature = 0.7f;
//   sampling.top_p = 0.9f;
//
// Steps, in this order: raw log-probabilities are noted; tokens outside `allowed_tokens`, in `banned_tokens` and those
// that would complete one of `banned_sequences` drop out; the end tokens drop out below `min_tokens`; `logit_bias` is
// added; repetition, frequency and presence penalties; greedy stops here; division by temperature; min_p; top_k; top_p;
// the draw. It is the order of vLLM. The draw is a function of (seed, request, step): the same call gives the same
// tokens, whatever runs beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octet {

struct LogitBias {
  int32_t token = 0;
  float bias = 0;  // added to the token's logit, -100 .. 100
};

struct SamplingOptions {
  float temperature = 0;  // below 1e-5 is greedy; higher is more random
  int32_t top_k = 0;      // the k most likely stay; 0 keeps all
  float top_p = 1;        // the fewest most likely tokens whose probabilities reach this sum stay
  float min_p = 0;        // tokens at least this fraction as likely as the most likely stay

  float repetition_penalty = 1;  // over 1: tokens of prompt and output are less likely (divides a positive logit)
  float frequency_penalty = 0;   // subtracted once per time the token stands in the output
  float presence_penalty = 0;    // subtracted where the token stands in the output at all

  uint64_t seed = 0;

  std::vector<LogitBias> logit_bias = {};
  std::vector<int32_t> allowed_tokens = {};  // empty allows all
  std::vector<int32_t> banned_tokens = {};
  // Words of several tokens: the last one drops out where the ones before it end prompt and output so far.
  std::vector<std::vector<int32_t>> banned_sequences = {};
  size_t min_tokens = 0;  // the output can't end before it has so many tokens

  int32_t logprobs = -1;  // 0: the chosen token's log-probability; n: also the n most likely tokens'; -1: none
};

// Log-probabilities come from the raw logits, before any of the steps above.
struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
};

}  // namespace octet
