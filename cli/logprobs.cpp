#include "cli/logprobs.h"

namespace octet::cli {

Status CheckLogprobs(const SamplingFlags& flags, const Invocation& call) {
  if (flags.logprobs < 0 || call.json()) return {};
  return Fail(ErrorCode::kInvalidArgument, "--logprobs shows in the JSON alone; add --json");
}

void AddLogprobs(const GenerateResult& result, Json& json) {
  Json entries = Json::array();
  for (const GeneratedToken& token : result.tokens) {
    if (!token.logprob) continue;
    Json entry = {{"token", token.token}, {"logprob", *token.logprob}, {"top", Json::array()}};
    for (const TokenLogprob& top : token.top) entry["top"].push_back({{"token", top.token}, {"logprob", top.logprob}});
    entries.push_back(std::move(entry));
  }
  if (!entries.empty()) json["logprobs"] = std::move(entries);
}

}  // namespace octet::cli
