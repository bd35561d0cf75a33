#include "engine/schedule/prompt_scores.h"

#include <algorithm>
#include <cmath>

#include "engine/sample/logprobs.h"

namespace octet {

PromptScores::PromptScores(size_t most_likely, size_t vocab, const kernels::KernelTable& kernels)
    : kernels_(&kernels),
      most_likely_(most_likely),
      vocab_(vocab),
      maxima_(vocab),
      scores_(std::make_shared<std::vector<GeneratedToken>>()) {}

Status PromptScores::Read(std::span<const int32_t> prompt, const Decoder::Run& run, const float* logits) {
  if (scores_->empty()) {
    scores_->reserve(prompt.size());
    scores_->push_back({.token = prompt[0], .logprob = {}, .top = {}});
  }
  for (size_t i = 0; i < run.tokens.size(); ++i) {
    const size_t next = run.first_position + i + 1;  // the token that this row speaks of
    if (next != scores_->size() || next >= prompt.size()) continue;
    const std::span<const float> row(logits + i * vocab_, vocab_);
    if (!std::all_of(row.begin(), row.end(), [](float logit) { return std::isfinite(logit); })) {
      return Fail(ErrorCode::kInternal, "the model's logits at token ", next - 1,
                  " of the prompt aren't finite; the weights are damaged or a kernel is wrong, `octet doctor` tests "
                  "the kernels");
    }
    maxima_.Read(row);
    const LogSoftmax raw(row, maxima_, *kernels_);
    const int32_t token = prompt[next];
    scores_->push_back({.token = token, .logprob = raw.Of(row[static_cast<size_t>(token)]), .top = {}});
    if (most_likely_ > 0) scores_->back().top = raw.Top(most_likely_);
  }
  return {};
}

}  // namespace octet
