#include "engine/sample/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "engine/sample/check_sampling.h"
#include "engine/sample/logprobs.h"

namespace octet {
namespace {

constexpr float kGreedyBelow = 1e-5f;

// An exponent of ones, infinity or NaN, carries into the sign bit. Without a branch, since all are finite but for a
// fault.
bool AreFinite(std::span<const float> logits) {
  uint32_t carries = 0;
  for (const float logit : logits) carries |= (std::bit_cast<uint32_t>(logit) & 0x7FFFFFFF) + 0x00800000;
  return carries < 0x80000000;
}

Status CheckFinite(std::span<const float> logits, size_t step) {
  if (AreFinite(logits)) return {};
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  return Fail(ErrorCode::kInternal, "the model's logit of token ", bad - logits.begin(), " at step ", step, " is ",
              std::isnan(*bad) ? "NaN" : "infinite",
              "; the weights are damaged or a kernel is wrong, `octet doctor` tests the kernels");
}

bool ChangesLogits(const SamplingOptions& options) {
  return UsesPenalties(options) || !options.allowed_tokens.empty() || !options.banned_tokens.empty() ||
         !options.banned_sequences.empty() || !options.logit_bias.empty() || options.min_tokens > 0;
}

}  // namespace

Result<Sampler> Sampler::Create(SamplingOptions options, size_t vocab, std::span<const int32_t> end_tokens,
                                uint32_t request) {
  OCTET_TRY(CheckSampling(options, vocab));
  Sampler sampler(vocab);
  sampler.end_tokens_.assign(end_tokens.begin(), end_tokens.end());
  sampler.random_.seed = options.seed;
  sampler.request_ = request;
  if (ChangesLogits(options)) sampler.logits_.resize(vocab);
  if (options.temperature >= kGreedyBelow) sampler.distribution_.emplace(options, vocab);
  if (UsesPenalties(options)) sampler.history_.emplace(vocab);
  sampler.banned_sequences_ = BannedSequences(options.banned_sequences);
  sampler.options_ = std::move(options);
  return sampler;
}

void Sampler::AddPrompt(std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) {
    if (history_) history_->AddPrompt(token);
    banned_sequences_.Add(token);
  }
}

Result<SampledToken> Sampler::Next(std::span<const float> logits) {
  OCTET_TRY(CheckFinite(logits, step_));
  const bool changed = !logits_.empty();
  if (changed) {
    ApplyAllowedAndBanned(logits);
    ApplyMinTokensAndBias();
    if (history_) history_->ApplyPenalties(options_, logits_);
  }
  SampledToken next;
  next.token = OCTET_TRY(Choose(changed ? logits_ : logits));
  if (options_.logprobs >= 0) {
    if (changed) maxima_.Read(logits);
    const LogSoftmax raw(logits, maxima_);
    next.logprob = raw.Of(logits[static_cast<size_t>(next.token)]);
    if (options_.logprobs > 0) next.top = raw.Top(static_cast<size_t>(options_.logprobs));
  }
  AddOutput(next.token);
  return next;
}

void Sampler::AddOutput(int32_t token) {
  if (history_) history_->AddOutput(token);
  banned_sequences_.Add(token);
  ++step_;
}

void Sampler::ApplyAllowedAndBanned(std::span<const float> logits) {
  if (options_.allowed_tokens.empty()) {
    std::copy(logits.begin(), logits.end(), logits_.begin());
  } else {
    std::fill(logits_.begin(), logits_.end(), kDropped);
    for (const int32_t token : options_.allowed_tokens)
      logits_[static_cast<size_t>(token)] = logits[static_cast<size_t>(token)];
  }
  for (const int32_t token : options_.banned_tokens) logits_[static_cast<size_t>(token)] = kDropped;
  banned_sequences_.Apply(logits_);
}

void Sampler::ApplyMinTokensAndBias() {
  if (step_ < options_.min_tokens) {
    for (const int32_t token : end_tokens_) logits_[static_cast<size_t>(token)] = kDropped;
  }
  for (const LogitBias& entry : options_.logit_bias) logits_[static_cast<size_t>(entry.token)] += entry.bias;
}

Result<int32_t> Sampler::Choose(std::span<const float> logits) {
  maxima_.Read(logits);
  if (maxima_.largest() == kDropped) {
    return Fail(ErrorCode::kInvalidArgument, "no token is left to choose at step ", step_,
                ": allowed_tokens, banned tokens and sequences, and min_tokens rule out all ", logits.size());
  }
  if (!distribution_) return maxima_.likeliest();
  distribution_->Truncate(logits, maxima_);
  return distribution_->Draw(random_.Uniform(request_, static_cast<uint32_t>(step_)));
}

}  // namespace octet
