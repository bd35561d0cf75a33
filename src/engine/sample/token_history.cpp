#include "engine/sample/token_history.h"

namespace octet {

bool UsesPenalties(const SamplingOptions& options) {
  return options.repetition_penalty != 1 || options.frequency_penalty != 0 || options.presence_penalty != 0;
}

TokenHistory::TokenHistory(size_t vocab) : seen_(vocab), output_counts_(vocab) { distinct_.reserve(vocab); }

void TokenHistory::Note(int32_t token) {
  const size_t index = static_cast<size_t>(token);
  if (seen_[index]) return;
  seen_[index] = true;
  distinct_.push_back(token);
}

void TokenHistory::AddOutput(int32_t token) {
  Note(token);
  ++output_counts_[static_cast<size_t>(token)];
}

void TokenHistory::ApplyPenalties(const SamplingOptions& options, std::span<float> logits) const {
  for (const int32_t token : distinct_) {
    float& logit = logits[static_cast<size_t>(token)];
    const float repetition = options.repetition_penalty;
    logit = logit > 0 ? logit / repetition : logit * repetition;
    const uint32_t count = output_counts_[static_cast<size_t>(token)];
    if (count == 0) continue;
    logit -= options.frequency_penalty * static_cast<float>(count);
    logit -= options.presence_penalty;
  }
}

}  // namespace octet
