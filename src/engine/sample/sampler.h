// Choosing the tokens of one sequence: the steps of octet/sampling.h, with the state they need.
//
//   Sampler sampler = OCTET_TRY(Sampler::Create(options, vocab, end_tokens, /*request=*/0));
//   sampler.AddPrompt(prompt);
//   SampledToken next = OCTET_TRY(sampler.Next(logits));   // and again for each step
//
// The pieces: banned_sequences.h, token_history.h (penalties), block_maxima.h and distribution.h (temperature to draw),
// logprobs.h. Ending a sequence is not decided here: engine/sequence.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "engine/sample/banned_sequences.h"
#include "engine/sample/distribution.h"
#include "engine/sample/token_constraint.h"
#include "engine/sample/token_history.h"
#include "octet/sampling.h"

namespace octet {

struct SampledToken {
  int32_t token = 0;
  std::optional<float> logprob;   // where options.logprobs >= 0
  std::vector<TokenLogprob> top;  // options.logprobs of them
};

class Sampler {
 public:
  // `end_tokens` are the ids that min_tokens holds back. Probabilities are computed by the table, an engine's own,
  // which must outlive the sampler. Fails as CheckSampling does. Takes all memory that Next needs.
  static Result<Sampler> Create(SamplingOptions options, size_t vocab, std::span<const int32_t> end_tokens,
                                uint32_t request, const kernels::KernelTable& kernels = kernels::ActiveKernels());

  // From here on only tokens that `constraint` allows are chosen, and end tokens where the text may end.
  void Constrain(std::unique_ptr<TokenConstraint> constraint);
  // The constraint has a whole text to which nothing can be added.
  bool is_complete() const { return constraint_ != nullptr && constraint_->must_end(); }

  // The text that the constraint forces next; empty where there is none.
  std::string ForcedText();

  void AddPrompt(std::span<const int32_t> tokens);
  // A token that was chosen elsewhere; Next does it by itself.
  void AddOutput(int32_t token);

  // Logits [vocab] of the last position; the chosen token counts as output from here on. Fails with internal, naming
  // the token, where a logit isn't finite, with invalid_argument where the options leave no token at all or the
  // constraint can't tell which ones may come: asked again it would fail again. Allocates only for log-probabilities
  // and in a constraint.
  Result<SampledToken> Next(std::span<const float> logits);

  // Spent so far in the constraint's masks and forced texts; absent where there is none.
  std::optional<double> mask_seconds() const { return constraint_ ? std::optional(mask_seconds_) : std::nullopt; }
  // Tokens chosen so far.
  size_t step() const { return step_; }
  size_t vocab() const { return vocab_; }
  // After a Next with a temperature: what the draw was made from, relative to the likeliest token's weight of 1.
  std::vector<float> weights() const { return distribution_->Weights(); }

 private:
  Sampler(size_t vocab, const kernels::KernelTable& kernels) : kernels_(&kernels), vocab_(vocab), maxima_(vocab) {}

  void ApplyAllowedAndBanned(std::span<const float> logits);
  Status ApplyConstraint();
  Status AcceptByConstraint(int32_t token);
  void ApplyMinTokensAndBias();
  Result<int32_t> Choose(std::span<const float> logits);

  const kernels::KernelTable* kernels_;
  SamplingOptions options_;
  std::vector<int32_t> end_tokens_;
  CounterRandom random_;
  uint32_t request_ = 0;
  size_t step_ = 0;
  size_t vocab_;
  std::vector<float> logits_;  // working copy, only where options change logits
  BlockMaxima maxima_;
  std::optional<Distribution> distribution_;  // only where a temperature is on
  std::optional<TokenHistory> history_;       // only where penalties are on
  BannedSequences banned_sequences_{{}};
  std::unique_ptr<TokenConstraint> constraint_;
  std::vector<uint64_t> allowed_words_;  // by the constraint, a bit a token
  double mask_seconds_ = 0;
};

}  // namespace octet
