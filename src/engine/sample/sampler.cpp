#include "engine/sample/sampler.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/cat.h"
#include "engine/sample/check_sampling.h"
#include "engine/sample/logprobs.h"

namespace octet {
namespace {

constexpr float kGreedyBelow = 1e-5f;

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

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

// A constraint's limits are exhausted by what was asked for, not by others that run: the same would come again.
Error UnderConstraint(const Error& error) {
  return {ErrorCode::kInvalidArgument, Cat("the answer can't be held to its grammar: ", error.message)};
}

bool ChangesLogits(const SamplingOptions& options) {
  return UsesPenalties(options) || !options.allowed_tokens.empty() || !options.banned_tokens.empty() ||
         !options.banned_sequences.empty() || !options.logit_bias.empty() || options.min_tokens > 0;
}

}  // namespace

Result<Sampler> Sampler::Create(SamplingOptions options, size_t vocab, std::span<const int32_t> end_tokens,
                                uint32_t request, const kernels::KernelTable& kernels) {
  OCTET_TRY(CheckSampling(options, vocab));
  Sampler sampler(vocab, kernels);
  sampler.end_tokens_.assign(end_tokens.begin(), end_tokens.end());
  sampler.random_.seed = options.seed;
  sampler.request_ = request;
  if (ChangesLogits(options)) sampler.logits_.resize(vocab);
  if (options.temperature >= kGreedyBelow) sampler.distribution_.emplace(options, vocab, kernels);
  if (UsesPenalties(options)) sampler.history_.emplace(vocab);
  sampler.banned_sequences_ = BannedSequences(options.banned_sequences);
  sampler.options_ = std::move(options);
  return sampler;
}

void Sampler::Constrain(std::unique_ptr<TokenConstraint> constraint) {
  constraint_ = std::move(constraint);
  logits_.resize(vocab_);
  allowed_words_.resize((vocab_ + 63) / 64);
}

std::string Sampler::ForcedText() {
  if (!constraint_) return {};
  const auto begin = std::chrono::steady_clock::now();
  std::string text = constraint_->ForcedText();
  mask_seconds_ += SecondsSince(begin);
  return text;
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
    if (constraint_) OCTET_TRY(ApplyConstraint());
    ApplyMinTokensAndBias();
    if (history_) history_->ApplyPenalties(options_, logits_);
  }
  SampledToken next;
  next.token = OCTET_TRY(Choose(changed ? logits_ : logits));
  if (constraint_) OCTET_TRY(AcceptByConstraint(next.token));
  if (options_.logprobs >= 0) {
    if (changed) maxima_.Read(logits);
    const LogSoftmax raw(logits, maxima_, *kernels_);
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

Status Sampler::ApplyConstraint() {
  const auto begin = std::chrono::steady_clock::now();
  const Status looked = constraint_->AllowedTokens(allowed_words_);
  mask_seconds_ += SecondsSince(begin);
  if (!looked) return tl::unexpected(UnderConstraint(looked.error()));
  // An end token may have text that would fit, too: the answer would end there all the same.
  const bool can_end = constraint_->can_end();
  for (const int32_t token : end_tokens_) {
    uint64_t& word = allowed_words_[static_cast<size_t>(token) / 64];
    const uint64_t bit = uint64_t{1} << (static_cast<size_t>(token) % 64);
    word = can_end ? word | bit : word & ~bit;
  }
  for (size_t word = 0; word < allowed_words_.size(); ++word) {
    const uint64_t allowed = allowed_words_[word];
    if (allowed == ~uint64_t{0}) continue;
    const size_t end = std::min(vocab_, 64 * (word + 1));
    for (size_t token = 64 * word; token < end; ++token) {
      if ((allowed >> (token % 64) & 1) == 0) logits_[token] = kDropped;
    }
  }
  return {};
}

// An end token ends the text, which the constraint has said it may.
Status Sampler::AcceptByConstraint(int32_t token) {
  if (std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end()) return {};
  const Status accepted = constraint_->Accept(token);
  if (!accepted) return tl::unexpected(UnderConstraint(accepted.error()));
  return {};
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
    return Fail(ErrorCode::kInvalidArgument, "no token is left to choose at step ", step_, ": ",
                constraint_ ? "the grammar, " : "",
                "allowed_tokens, banned tokens and sequences, and min_tokens rule out all ", logits.size());
  }
  if (!distribution_) return maxima_.likeliest();
  distribution_->Truncate(logits, maxima_);
  return distribution_->Draw(random_.Uniform(request_, static_cast<uint32_t>(step_)));
}

}  // namespace octet
