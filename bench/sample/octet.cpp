// Time of one sampling step. Each draw is checked: that it is among what its options leave, or has the largest logit
// where the choice is greedy and no penalty changes that.
//
//   bench_sample [VOCAB] [STEPS]        default 151936 (Qwen2.5) and 400; at least 100000, at most 1000
//
// `peaked` logits fall off as a language model's do (a few likely tokens over a bell curve of the others); `flat` ones
// are that bell curve alone, where top_p keeps a tenth of the vocabulary: the worst case. Microseconds of computing by
// one thread, each step with other logits that were written just before.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "bench/gemm/limits.h"
#include "engine/sample/sampler.h"
#include "kernels/kernel_table.h"

namespace octet::bench {
namespace {

struct Case {
  std::string_view name;
  SamplingOptions options;
};

std::vector<Case> Cases() {
  std::vector<Case> cases = {{"greedy", {}}, {"temperature", {}}, {"top_k 40, top_p 0.95", {}}, {"top_p 0.95", {}}};
  cases.push_back({"min_p 0.05", {}});
  cases.push_back({"greedy, penalties", {}});
  cases.push_back({"top_k 40, top_p 0.95, penalties", {}});
  cases.push_back({"top_k 40, top_p 0.95, 5 logprobs", {}});
  for (Case& one : cases) {
    const auto has = [&one](std::string_view word) { return one.name.find(word) != std::string_view::npos; };
    if (!has("greedy")) one.options.temperature = 0.8f;
    if (has("top_k")) one.options.top_k = 40;
    if (has("top_p")) one.options.top_p = 0.95f;
    if (has("min_p")) one.options.min_p = 0.05f;
    if (has("logprobs")) one.options.logprobs = 5;
    if (!has("penalties")) continue;
    one.options.repetition_penalty = 1.1f;
    one.options.frequency_penalty = 0.2f;
    one.options.presence_penalty = 0.1f;
  }
  return cases;
}

// Sums of uniform numbers: a bell curve with a deviation of 2.5. A peak every 997th token, 6 to 12 above its middle.
std::vector<float> Logits(size_t vocab, bool peaked) {
  std::vector<float> logits(vocab);
  const CounterRandom random{.seed = 5};
  for (size_t token = 0; token < vocab; ++token) {
    float sum = 0;
    for (uint32_t term = 0; term < 12; ++term) sum += random.Uniform(term, 0, token);
    logits[token] = 2.5f * (sum - 6);
    if (peaked && token % 997 == 5) logits[token] = 8 + 8 * random.Uniform(20, 0, token);
  }
  return logits;
}

bool MayBe(int32_t token, const Case& one, const Sampler& sampler, const std::vector<float>& logits) {
  const auto at = static_cast<size_t>(token);
  if (one.options.temperature > 0) return sampler.weights()[at] != 0;
  return one.options.repetition_penalty != 1 || logits[at] == *std::max_element(logits.begin(), logits.end());
}

int Measure(const Case& one, std::string_view shape, const std::vector<float>& logits, int steps) {
  Result<Sampler> sampler = Sampler::Create(one.options, logits.size(), {}, 0);
  if (!sampler) return 1;
  std::vector<int32_t> prompt(512);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i * 7919 % logits.size());
  sampler->AddPrompt(prompt);
  std::vector<float> rotated(logits.size());
  std::vector<double> seconds;
  for (int step = 0; step < steps; ++step) {
    std::rotate_copy(logits.begin(), logits.begin() + step * 61, logits.end(), rotated.begin());
    const double start = ThreadSeconds();
    const Result<SampledToken> next = sampler->Next(rotated);
    seconds.push_back(ThreadSeconds() - start);
    if (!next || !MayBe(next->token, one, *sampler, rotated)) {
      fmt::print(stderr, "bench_sample: {}: step {} chose a token that its options leave out\n", one.name, step);
      return 1;
    }
  }
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](size_t percent) { return 1e6 * seconds[(seconds.size() - 1) * percent / 100]; };
  fmt::print("{:6} {:33} median {:6.1f} us  (5 of 100 below {:.1f}, above {:.1f})\n", shape, one.name, at(50), at(5),
             at(95));
  return 0;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  const unsigned long vocab = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 151936;
  const long steps = argc > 2 ? std::atol(argv[2]) : 400;
  if (vocab < 100000 || vocab > 1000000 || steps < 1 || steps > 1000) {
    fmt::print(stderr,
               "bench_sample [VOCAB] [STEPS]: from 100000 to 1000000 logits and from 1 to 1000 steps, not {} and {}\n",
               vocab, steps);
    return 2;
  }
  fmt::print("vocabulary {}, tier {}, 1 thread\n", vocab, octet::kernels::ActiveKernels().name);
  for (const bool peaked : {true, false}) {
    const std::vector<float> logits = octet::bench::Logits(vocab, peaked);
    for (const octet::bench::Case& one : octet::bench::Cases()) {
      if (octet::bench::Measure(one, peaked ? "peaked" : "flat", logits, static_cast<int>(steps)) != 0) return 1;
    }
  }
  return 0;
}
