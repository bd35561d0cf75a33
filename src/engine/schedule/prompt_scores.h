// Log-probabilities of a prompt's own tokens, gathered from the logits of the steps that read it.
//
//   PromptScores scores(/*most_likely=*/5, vocab, kernels);
//   OCTET_TRY(scores.Read(prompt, run, logits));     // after each step, in order
//   if (scores.size() == prompt.size()) Send(scores.scores());
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/sample/block_maxima.h"
#include "models/decoder.h"
#include "octet/generate.h"

namespace octet {

class PromptScores {
 public:
  // With each token come the `most_likely` ones of its place, 0 for none. The table must outlive the object.
  PromptScores(size_t most_likely, size_t vocab, const kernels::KernelTable& kernels);

  // `logits` [run.tokens.size(), vocab]: a row for each token of the run, of which those are read that weren't before.
  // Requires that runs leave out none. Fails with internal where a logit isn't finite. Work: an exp per logit.
  Status Read(std::span<const int32_t> prompt, const Decoder::Run& run, const float* logits);

  // Entries made so far; the first, which nothing comes before, is there from the start.
  size_t size() const { return scores_->size(); }
  // One entry per token of the prompt, once Read has seen all but the last token.
  std::shared_ptr<const std::vector<GeneratedToken>> scores() const { return scores_; }

 private:
  const kernels::KernelTable* kernels_;
  size_t most_likely_;
  size_t vocab_;
  BlockMaxima maxima_;
  std::shared_ptr<std::vector<GeneratedToken>> scores_;
};

}  // namespace octet
