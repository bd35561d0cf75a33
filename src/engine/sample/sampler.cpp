#include "engine/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/sample/check_sampling.h"
#include "engine/sample/logprobs.h"

namespace octet {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();
constexpr float kGreedyBelow = 1e-5f;

Status CheckFinite(std::span<const float> logits, size_t step) {
  // Without a branch first, since this is true but for a fault.
  bool finite = true;
  for (const float logit : logits) finite &= std::fabs(logit) <= std::numeric_limits<float>::max();
  if (finite) return {};
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  return Fail(ErrorCode::kInternal, "the model's logit of token ", bad - logits.begin(), " at step ", step, " is ",
              std::isnan(*bad) ? "NaN" : "infinite",
              "; the weights are damaged or a kernel is wrong, `octet doctor` tests the kernels");
}

}  // namespace

Result<Sampler> Sampler::Create(SamplingOptions options, size_t vocab, std::span<const int32_t> end_tokens,
                                uint32_t request) {
  OCTET_TRY(CheckSampling(options, vocab));
  Sampler sampler;
  sampler.end_tokens_.assign(end_tokens.begin(), end_tokens.end());
  sampler.random_.seed = options.seed;
  sampler.request_ = request;
  sampler.logits_.resize(vocab);
  sampler.candidates_.reserve(vocab);
  if (!options.allowed_tokens.empty()) {
    sampler.allowed_.resize(vocab);
    for (const int32_t token : options.allowed_tokens) sampler.allowed_[static_cast<size_t>(token)] = true;
  }
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
  std::copy(logits.begin(), logits.end(), logits_.begin());
  ApplyAllowedAndBanned();
  ApplyMinTokensAndBias();
  if (history_) history_->ApplyPenalties(options_, logits_);
  SampledToken next;
  next.token = OCTET_TRY(Choose());
  if (options_.logprobs >= 0) {
    const LogSoftmax raw(logits);
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

void Sampler::ApplyAllowedAndBanned() {
  for (size_t token = 0; token < allowed_.size(); ++token) {
    if (!allowed_[token]) logits_[token] = kDropped;
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

Result<int32_t> Sampler::Choose() {
  const int32_t likeliest = ArgMax(logits_);
  if (logits_[static_cast<size_t>(likeliest)] == kDropped) {
    return Fail(ErrorCode::kInvalidArgument, "no token is left to choose at step ", step_,
                ": allowed_tokens, banned tokens and sequences, and min_tokens rule out all ", logits_.size());
  }
  if (options_.temperature < kGreedyBelow) return likeliest;
  Truncate(options_, logits_, candidates_);
  return Draw(logits_, random_.Uniform(request_, static_cast<uint32_t>(step_)));
}

}  // namespace octet
