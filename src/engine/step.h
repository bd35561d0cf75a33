// One step of the engine: a single forward pass over what every given sequence needs next.
//
//   StepRunner runner(decoder, context, /*most_tokens=*/512);
//   OCTET_TRY(runner.Step(sequences));
//
// Sequences that wait for one token go first, with what they guess behind it, then prompts in their order fill the step
// up to its size. The result of a sequence does not depend on what else is in the step. Deciding which sequences take
// part is the caller's.
#pragma once

#include <span>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "engine/sequence.h"
#include "nn/execution_context.h"

namespace octet {

class StepRunner {
 public:
  // Keeps references to both. Requires most_tokens > 0.
  StepRunner(const Decoder& decoder, nn::ExecutionContext& context, size_t most_tokens)
      : decoder_(decoder), context_(context), most_tokens_(most_tokens) {}

  // Finished sequences are passed over. One whose next token can't be chosen ends alone, with its error(). Fails as the
  // forward pass or the cache does; no sequence has advanced then. Allocates nothing once a step of this size has run.
  // With cancelled where `cancel`, which may be null, was set before the last layer: no sequence has advanced then.
  Status Step(std::span<Sequence* const> sequences, const CancelFlag* cancel = nullptr);

  // The forward pass alone, of runs that were planned elsewhere: their logits [wanted rows, vocab], runs in order,
  // which stand until the next call. Fails as Decoder::Forward does.
  Result<const float*> Compute(std::span<const Decoder::Run> runs, const CancelFlag* cancel = nullptr);

 private:
  Status Plan(std::span<Sequence* const> sequences);

  const Decoder& decoder_;
  nn::ExecutionContext& context_;
  size_t most_tokens_;
  std::vector<Sequence*> planned_;
  std::vector<Decoder::Run> runs_;  // parallel to planned_
  std::vector<float> logits_;
};

}  // namespace octet
