#include "engine/step.h"

#include <algorithm>

namespace octet {

Status StepRunner::Plan(std::span<Sequence* const> sequences) {
  planned_.clear();
  runs_.clear();
  const auto is_reading = [](const Sequence* one) { return one->tokens().size() - one->cached() > 1; };
  const auto answers = static_cast<size_t>(std::count_if(
      sequences.begin(), sequences.end(), [&](const Sequence* one) { return !one->finished() && !is_reading(one); }));
  size_t left = most_tokens_, draft_left = DraftRoom(most_tokens_, answers);
  for (const bool prompts : {false, true}) {
    for (Sequence* sequence : sequences) {
      if (sequence->finished() || is_reading(sequence) != prompts || left == 0) continue;
      const size_t drafted = prompts ? 0 : sequence->Draft(draft_left);
      draft_left -= drafted;
      const Decoder::Run run = OCTET_TRY(sequence->NextRun(prompts ? left : 1 + drafted));
      left -= run.tokens.size();
      planned_.push_back(sequence);
      runs_.push_back(run);
    }
  }
  return {};
}

Result<const float*> StepRunner::Compute(std::span<const Decoder::Run> runs, const CancelFlag* cancel) {
  const size_t vocab = decoder_.spec().vocab;
  size_t rows = 0;
  for (const Decoder::Run& run : runs) rows += run.tokens.size() - run.logits_from;
  if (logits_.size() < rows * vocab) logits_.resize(rows * vocab);
  context_.cancel = cancel;
  const Status computed = decoder_.Forward(runs, context_, logits_.data());
  context_.cancel = nullptr;  // the flag may be gone before the next step
  OCTET_TRY(computed);
  return logits_.data();
}

Status StepRunner::Step(std::span<Sequence* const> sequences, const CancelFlag* cancel) {
  OCTET_TRY(Plan(sequences));
  const size_t vocab = decoder_.spec().vocab;
  const float* logits = OCTET_TRY(Compute(runs_, cancel));
  for (size_t i = 0; i < runs_.size(); ++i) {
    static_cast<void>(planned_[i]->Advance(runs_[i], logits));  // what fails ends that sequence alone, and it keeps why
    logits += (runs_[i].tokens.size() - runs_[i].logits_from) * vocab;
  }
  return {};
}

}  // namespace octet
