// The sampler against PyTorch's distributions (tests/golden/sampling, made by tools/golden/sampling.py), and its own
// rules.
#include "engine/sample/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/random.h"
#include "engine/sample/logprobs.h"

namespace octet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SamplingOptions ReadOptions(const Json& from) {
  SamplingOptions options;
  options.temperature = from["temperature"];
  options.top_k = from["top_k"];
  options.top_p = from["top_p"];
  options.min_p = from["min_p"];
  options.repetition_penalty = from["repetition"];
  options.frequency_penalty = from["frequency"];
  options.presence_penalty = from["presence"];
  options.allowed_tokens = from["allowed"].get<std::vector<int32_t>>();
  options.banned_tokens = from["banned"].get<std::vector<int32_t>>();
  options.min_tokens = from["min_tokens"];
  for (const Json& entry : from["bias"]) options.logit_bias.push_back({entry[0], entry[1]});
  return options;
}

// A sampler that stands behind the case's output.
Sampler AfterOutput(const Json& golden, uint32_t request) {
  SamplingOptions options = ReadOptions(golden["options"]);
  const size_t vocab = golden["logits"].size();
  Result<Sampler> sampler = Sampler::Create(options, vocab, golden["end_tokens"].get<std::vector<int32_t>>(), request);
  EXPECT_TRUE(sampler.has_value());
  sampler->AddPrompt(golden["prompt"].get<std::vector<int32_t>>());
  for (const Json& token : golden["output"]) sampler->AddOutput(token);
  return std::move(*sampler);
}

TEST(Sampler, DrawsFollowTheDistributionOfPyTorch) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/sampling/cases.json");
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const Result<Json> cases = ParseJson(*text, "cases.json");
  ASSERT_TRUE(cases.has_value());
  constexpr uint32_t kDraws = 4000;
  for (size_t i = 0; i < cases->size(); i += 8) {
    const Json& golden = (*cases)[i];
    const auto logits = golden["logits"].get<std::vector<float>>();
    std::vector<uint32_t> counts(logits.size());
    for (uint32_t request = 0; request < kDraws; ++request) {
      Sampler sampler = AfterOutput(golden, request);
      const Result<SampledToken> next = sampler.Next(logits);
      ASSERT_TRUE(next.has_value()) << next.error().message;
      ++counts[static_cast<size_t>(next->token)];
      if (golden["probabilities"].size() == 1) break;
    }
    const double draws = golden["probabilities"].size() == 1 ? 1 : kDraws;
    for (size_t token = 0; token < logits.size(); ++token) {
      const double p = golden["probabilities"].value(std::to_string(token), 0.0);
      const double got = counts[token] / draws;
      if (p == 0) {
        EXPECT_EQ(got, 0) << "case " << i << ", token " << token << " was to be dropped";
      } else {
        // Six standard deviations of a binomial count, and four counts for rare tokens, whose counts are Poisson's.
        EXPECT_NEAR(got, p, 6 * std::sqrt(p * (1 - p) / draws) + 4 / draws) << "case " << i << ", token " << token;
      }
    }
  }
}

TEST(Sampler, TruncatedLogitsKeepExactlyTheTokensOfPyTorch) {
  const Result<std::string> text = ReadTextFile(OCTET_SOURCE_DIR "/tests/golden/sampling/cases.json");
  ASSERT_TRUE(text.has_value());
  const Result<Json> cases = ParseJson(*text, "cases.json");
  for (size_t i = 0; i < cases->size(); ++i) {
    const Json& golden = (*cases)[i];
    if (golden["options"]["temperature"] == 0.0) continue;
    Sampler sampler = AfterOutput(golden, 0);
    const auto logits = golden["logits"].get<std::vector<float>>();
    ASSERT_TRUE(sampler.Next(logits).has_value());
    // What Draw left are weights, relative to the largest.
    double total = 0;
    for (const float weight : sampler.weights()) total += weight;
    for (size_t token = 0; token < logits.size(); ++token) {
      const double want = golden["probabilities"].value(std::to_string(token), 0.0);
      EXPECT_NEAR(sampler.weights()[token] / total, want, 2e-6) << "case " << i << ", token " << token;
    }
  }
}

// What octet/sampling.h says, by sorting the whole vocabulary: the tokens that stay.
std::vector<bool> KeptBySorting(const SamplingOptions& options, const std::vector<float>& logits) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  const auto weight = [&](size_t token) {
    return std::exp((double{logits[token]} - double{logits[order[0]]}) / double{options.temperature});
  };
  while (options.min_p > 0 && weight(order.back()) < double{options.min_p}) order.pop_back();
  if (options.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(options.top_k)));
  double total = 0, sum = 0;
  for (const size_t token : order) total += weight(token);
  std::vector<bool> kept(logits.size());
  for (const size_t token : order) {
    if (sum >= double{options.top_p} * total && options.top_p < 1) break;
    kept[token] = true;
    sum += weight(token);
  }
  return kept;
}

// Equal logits abound, since they are multiples of 1/64: only the order of ids tells them apart. 40,013 tokens are more
// than the few blocks that a search for candidates looks into, and no whole number of blocks.
std::vector<float> CoarseLogits(float deviation, uint64_t seed) {
  std::vector<float> logits(40013);
  for (size_t token = 0; token < logits.size(); ++token) {
    float sum = -6;
    for (uint32_t term = 0; term < 12; ++term) sum += CounterRandom{.seed = seed}.Uniform(term, 0, token);
    logits[token] = std::round(64 * deviation * sum) / 64;
  }
  return logits;
}

TEST(Sampler, LargeVocabulariesKeepWhatSortingThemWouldKeep) {
  for (const float deviation : {0.0f, 0.5f, 2.0f, 6.0f}) {
    const std::vector<float> logits = CoarseLogits(deviation, 3);
    for (const int32_t top_k : {0, 1, 40, 600, 5000}) {
      for (const float top_p : {0.0001f, 0.5f, 0.95f, 1.0f}) {
        for (const float min_p : {0.0f, 0.001f, 0.3f}) {
          SamplingOptions options;
          options.temperature = 0.5f;
          options.top_k = top_k;
          options.top_p = top_p;
          options.min_p = min_p;
          Result<Sampler> sampler = Sampler::Create(options, logits.size(), {}, 0);
          const Result<SampledToken> next = sampler->Next(logits);
          ASSERT_TRUE(next.has_value());
          const std::vector<float> weights = sampler->weights();
          const std::vector<bool> want = KeptBySorting(options, logits);
          size_t different = 0, kept = 0;
          for (size_t token = 0; token < logits.size(); ++token) {
            // Weights below the smallest float are nothing.
            different += want[token] != (weights[token] > 0) && logits.at(token) > -40;
            kept += want[token];
          }
          // One token at the border of top_p may fall to either side, where the sums round differently.
          EXPECT_LE(different, top_p < 1 && kept > 1 ? 1u : 0u)
              << deviation << " top_k " << top_k << " top_p " << top_p << " min_p " << min_p << ", " << kept << " kept";
          EXPECT_TRUE(want[static_cast<size_t>(next->token)]);
        }
      }
    }
  }
}

TEST(Sampler, TheDrawIsTheFirstTokenAtWhichTheRunningSumPassesTheNumber) {
  for (const float top_p : {0.7f, 1.0f}) {
    SamplingOptions options;
    options.temperature = 1;
    options.top_p = top_p;
    const std::vector<float> logits = CoarseLogits(1, 4);
    for (uint32_t request = 0; request < 40; ++request) {
      Result<Sampler> sampler = Sampler::Create(options, logits.size(), {}, request);
      const size_t token = static_cast<size_t>(sampler->Next(logits)->token);
      const std::vector<float> weights = sampler->weights();
      const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
      const double before = std::accumulate(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(token), 0.0);
      const double target = double{CounterRandom{}.Uniform(request, 0)} * total;
      // Sums of blocks are rounded to float, 2^-24 of each.
      EXPECT_LE(before, target + total * 1e-7);
      EXPECT_GE(before + double{weights[token]}, target - total * 1e-7);
      EXPECT_GT(weights[token], 0);
    }
  }
}

Result<Sampler> Make(SamplingOptions options, size_t vocab, std::vector<int32_t> end_tokens = {}) {
  return Sampler::Create(std::move(options), vocab, end_tokens, 0);
}

// A table whose sum of exponentials is 4, for whatever logits; so many that each has a weight.
TEST(Sampler, ProbabilitiesAreThoseOfTheTableThatItWasMadeWith) {
  kernels::KernelTable table = kernels::ActiveKernels();
  table.sum_exp = [](const float*, float, float, size_t count, float* terms) {
    if (terms != nullptr) std::fill_n(terms, count, 0.25f);
    return 4.0;
  };
  SamplingOptions options;
  options.temperature = 1;
  options.logprobs = 1;
  const std::vector<float> logits(300 * BlockMaxima::kBlock, 2.0f);
  Sampler sampler = Sampler::Create(options, logits.size(), {}, 0, table).value();
  const Result<SampledToken> token = sampler.Next(logits);
  EXPECT_FLOAT_EQ(token->top.at(0).logprob, -std::log(4.0f));
  EXPECT_THAT(sampler.weights(), testing::Each(0.25f));
}

TEST(Sampler, EqualLogitsGiveTheLowestId) {
  Result<Sampler> sampler = Make({}, 4);
  EXPECT_EQ(sampler->Next(std::vector<float>{1, 2, 2, 2})->token, 1);
  SamplingOptions one;
  one.temperature = 1;
  one.top_k = 1;
  EXPECT_EQ(Make(one, 4)->Next(std::vector<float>{1, 2, 2, 2})->token, 1);
  SamplingOptions little;
  little.temperature = 1;
  little.top_p = 0.01f;
  EXPECT_EQ(Make(little, 4)->Next(std::vector<float>{2, 1, 2, 2})->token, 0);
}

TEST(Sampler, TheSameSeedRequestAndStepGiveTheSameToken) {
  SamplingOptions options;
  options.temperature = 1;
  options.seed = 9;
  const std::vector<float> logits(1000, 0.0f);
  std::vector<int32_t> first, again;
  Result<Sampler> a = Make(options, 1000), b = Make(options, 1000);
  for (int i = 0; i < 20; ++i) first.push_back(a->Next(logits)->token);
  for (int i = 0; i < 20; ++i) again.push_back(b->Next(logits)->token);
  EXPECT_EQ(first, again);
  options.seed = 10;
  Result<Sampler> c = Make(options, 1000);
  std::vector<int32_t> other;
  for (int i = 0; i < 20; ++i) other.push_back(c->Next(logits)->token);
  EXPECT_NE(first, other);
}

TEST(Sampler, GreedyHonoursBiasBansPenaltiesAndMinTokens) {
  const std::vector<float> logits = {5, 4, 3, 2};
  SamplingOptions bias;
  bias.logit_bias = {{3, 10}};
  EXPECT_EQ(Make(bias, 4)->Next(logits)->token, 3);
  SamplingOptions bans;
  bans.banned_tokens = {0};
  EXPECT_EQ(Make(bans, 4)->Next(logits)->token, 1);
  SamplingOptions penalty;
  penalty.frequency_penalty = 0.75f;
  Result<Sampler> sampler = Make(penalty, 4);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 4; ++i) tokens.push_back(sampler->Next(logits)->token);
  EXPECT_THAT(tokens, ElementsAre(0, 0, 1, 0));
  SamplingOptions late;
  late.min_tokens = 2;
  Result<Sampler> held = Make(late, 4, {0});
  tokens.clear();
  for (int i = 0; i < 3; ++i) tokens.push_back(held->Next(logits)->token);
  EXPECT_THAT(tokens, ElementsAre(1, 1, 0));
}

TEST(Sampler, ABannedSequenceCannotBeCompletedButItsTokensStayFree) {
  const std::vector<float> logits = {5, 4, 3, 2};
  SamplingOptions options;
  options.banned_sequences = {{0, 0}, {0, 1, 0}, {1, 2}};
  Result<Sampler> sampler = Make(options, 4);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 6; ++i) tokens.push_back(sampler->Next(logits)->token);
  EXPECT_THAT(tokens, ElementsAre(0, 1, 1, 0, 1, 1));
}

TEST(Sampler, ABannedSequenceMayBeginInThePromptAndInTokensChosenElsewhere) {
  const std::vector<float> logits = {5, 4, 3, 2};
  SamplingOptions options;
  options.banned_sequences = {{3, 2, 0}};
  Result<Sampler> sampler = Make(options, 4);
  sampler->AddPrompt(std::vector<int32_t>{1, 3});
  sampler->AddOutput(2);
  EXPECT_EQ(sampler->Next(logits)->token, 1);
  EXPECT_EQ(sampler->Next(logits)->token, 0);
  Result<Sampler> too_short = Make(options, 4);
  too_short->AddPrompt(std::vector<int32_t>{2});
  EXPECT_EQ(too_short->Next(logits)->token, 0);
}

TEST(Sampler, LogprobsComeFromRawLogitsAndGreedyEqualsTheTop) {
  SamplingOptions options;
  options.logprobs = 2;
  options.banned_tokens = {1};
  Result<Sampler> sampler = Make(options, 3);
  const Result<SampledToken> next = sampler->Next(std::vector<float>{0.5f, 1, 0.5f});
  EXPECT_EQ(next->token, 0);
  const double sum = std::exp(0.5) * 2 + std::exp(1.0);
  EXPECT_FLOAT_EQ(*next->logprob, static_cast<float>(0.5 - std::log(sum)));
  ASSERT_EQ(next->top.size(), 2u);
  EXPECT_EQ(next->top[0].token, 1);
  EXPECT_EQ(next->top[1].token, 0);
  EXPECT_EQ(next->top[1].logprob, *next->logprob);
}

TEST(Sampler, NotANumberIsAnInternalErrorThatNamesTheToken) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Result<Sampler> sampler = Make({}, 3);
    const Result<SampledToken> next = sampler->Next(std::vector<float>{0, 1, bad});
    ASSERT_FALSE(next.has_value());
    EXPECT_EQ(next.error().code, ErrorCode::kInternal);
    EXPECT_THAT(next.error().message, HasSubstr("token 2 at step 0 is"));
  }
}

TEST(Sampler, NoTokenLeftIsAnInvalidArgument) {
  SamplingOptions options;
  options.allowed_tokens = {1};
  options.banned_tokens = {1};
  const Result<SampledToken> next = Make(options, 3)->Next(std::vector<float>{0, 1, 2});
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().code, ErrorCode::kInvalidArgument);
}

TEST(Sampler, OptionsOutsideTheirRangeAreRefusedByName) {
  const auto message = [](auto change) {
    SamplingOptions options;
    change(options);
    const Result<Sampler> sampler = Make(options, 10);
    return sampler ? std::string("accepted") : sampler.error().message;
  };
  EXPECT_THAT(message([](SamplingOptions& o) { o.temperature = -1; }), HasSubstr("temperature is -1"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.temperature = std::nanf(""); }), HasSubstr("temperature is"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.top_p = 0; }), HasSubstr("top_p is 0"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.top_k = -1; }), HasSubstr("top_k is -1"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.repetition_penalty = 0; }), HasSubstr("repetition_penalty is 0"));
  EXPECT_THAT(message([](SamplingOptions& o) {
                o.logit_bias = {{10, 1}};
              }),
              HasSubstr("names token 10, the vocabulary has 0 to 9"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.banned_tokens = {-1}; }), HasSubstr("names token -1"));
  EXPECT_THAT(message([](SamplingOptions& o) {
                o.banned_sequences = {{1, 10}};
              }),
              HasSubstr("banned_sequences names token 10"));
  EXPECT_THAT(message([](SamplingOptions& o) { o.banned_sequences.emplace_back(); }), HasSubstr("an empty sequence"));
}

}  // namespace
}  // namespace octet
