// Which tokens a sequence has seen, and the penalties that follow from it.
//
//   TokenHistory history(vocab);
//   for (int32_t token : prompt) history.AddPrompt(token);
//   history.ApplyPenalties(options, logits);
//   history.AddOutput(next);
//
// All memory is taken by the constructor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octet/sampling.h"

namespace octet {

// True where any penalty differs from doing nothing.
bool UsesPenalties(const SamplingOptions& options);

class TokenHistory {
 public:
  explicit TokenHistory(size_t vocab);

  // Tokens outside the vocabulary are not possible here: prompts are checked when they are taken.
  void AddPrompt(int32_t token) { Note(token); }
  void AddOutput(int32_t token);

  // Repetition (prompt and output): a positive logit is divided, any other multiplied. Then frequency and presence
  // (output alone) are subtracted. Work: number of different tokens seen.
  void ApplyPenalties(const SamplingOptions& options, std::span<float> logits) const;

 private:
  void Note(int32_t token);

  std::vector<bool> seen_;
  std::vector<uint32_t> output_counts_;
  std::vector<int32_t> distinct_;  // tokens seen, each once
};

}  // namespace octet
