#include "engine/sample/check_sampling.h"

#include <cmath>
#include <string_view>

namespace octet {
namespace {

constexpr int32_t kMostLogprobs = 1000;

Status CheckRange(std::string_view name, float value, float low, float high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kInvalidArgument, name, " is ", value, ", allowed is ", low, " to ", high);
}

Status CheckToken(std::string_view name, int32_t token, size_t vocab) {
  if (token >= 0 && static_cast<size_t>(token) < vocab) return {};
  return Fail(ErrorCode::kInvalidArgument, name, " names token ", token, ", the vocabulary has 0 to ", vocab - 1);
}

Status CheckTokens(const SamplingOptions& options, size_t vocab) {
  for (const LogitBias& entry : options.logit_bias) {
    OCTET_TRY(CheckToken("logit_bias", entry.token, vocab));
    OCTET_TRY(CheckRange("logit_bias", entry.bias, -100, 100));
  }
  for (const int32_t token : options.allowed_tokens) OCTET_TRY(CheckToken("allowed_tokens", token, vocab));
  for (const int32_t token : options.banned_tokens) OCTET_TRY(CheckToken("banned_tokens", token, vocab));
  for (const std::vector<int32_t>& sequence : options.banned_sequences) {
    if (sequence.empty()) return Fail(ErrorCode::kInvalidArgument, "banned_sequences holds an empty sequence");
    for (const int32_t token : sequence) OCTET_TRY(CheckToken("banned_sequences", token, vocab));
  }
  return {};
}

}  // namespace

Status CheckSampling(const SamplingOptions& options, size_t vocab) {
  OCTET_TRY(CheckRange("temperature", options.temperature, 0, 100));
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    return Fail(ErrorCode::kInvalidArgument, "top_p is ", options.top_p, ", allowed is above 0, up to 1");
  }
  if (options.top_k < 0)
    return Fail(ErrorCode::kInvalidArgument, "top_k is ", options.top_k, ", allowed is 0 (all) or more");
  OCTET_TRY(CheckRange("min_p", options.min_p, 0, 1));
  if (!(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty))) {
    return Fail(ErrorCode::kInvalidArgument, "repetition_penalty is ", options.repetition_penalty,
                ", allowed is above 0");
  }
  OCTET_TRY(CheckRange("frequency_penalty", options.frequency_penalty, -100, 100));
  OCTET_TRY(CheckRange("presence_penalty", options.presence_penalty, -100, 100));
  if (options.logprobs < -1 || options.logprobs > kMostLogprobs) {
    return Fail(ErrorCode::kInvalidArgument, "logprobs is ", options.logprobs, ", allowed is -1 (none) to ",
                kMostLogprobs);
  }
  return CheckTokens(options, vocab);
}

}  // namespace octet
