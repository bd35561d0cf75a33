#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsBetween(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// Runs steps until the sequence has ended, handing its text on. Seconds count up to the last step that was finished, so
// that what a stop threw away is in no rate.
Status RunToEnd(Engine& engine, Sequence& sequence, const OnText& on_text, const CancelFlag* cancel,
                GenerateResult& result) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point first_token = begin, last_token = begin;
  Sequence* const one = &sequence;
  while (!sequence.finished()) {
    const bool reads_prompt = sequence.generated().empty();
    const Status step = engine.runner().Step({&one, 1}, cancel);
    if (!step && step.error().code == ErrorCode::kCancelled) {
      sequence.Cancel();
    } else {
      OCTET_TRY(step);
      if (sequence.error()) return tl::unexpected(*sequence.error());
      last_token = Clock::now();
      if (reads_prompt) first_token = last_token;
    }
    const std::string piece = sequence.TakeText();
    if (piece.empty()) continue;
    result.text += piece;
    if (on_text && !on_text(piece)) sequence.Cancel();
  }
  result.timings.prompt_seconds = SecondsBetween(begin, first_token);
  result.timings.decode_seconds = SecondsBetween(first_token, last_token);
  return {};
}

}  // namespace

EngineSession::EngineSession(Engine& engine) : engine_(engine), pages_(engine.MakePages()) {}

size_t EngineSession::CommonPrefix(const Request& request) const {
  const std::vector<int32_t>& prompt = request.prompt;
  if (prompt.empty() || request.adapter != held_adapter_ ||
      !nn::AnglesAreEqual(engine_.spec().ropes, held_length_, prompt.size()))
    return 0;
  const auto [held, wanted] = std::mismatch(held_.begin(), held_.end(), prompt.begin(), prompt.end());
  static_cast<void>(wanted);
  // The last token is computed in any case, since its logits are wanted.
  return std::min(static_cast<size_t>(held - held_.begin()), prompt.size() - 1);
}

Result<GenerateResult> EngineSession::Generate(Request request, const OnText& on_text, const CancelFlag* cancel) {
  const size_t cached = CommonPrefix(request);
  PageTable pages = std::exchange(pages_, engine_.MakePages());
  held_.clear();
  held_adapter_ = request.adapter;
  pages.Truncate(cached);
  Sequence sequence = OCTET_TRY(Sequence::Create(std::move(request), engine_.limits(), std::move(pages), cached));
  GenerateResult result;
  OCTET_TRY(RunToEnd(engine_, sequence, on_text, cancel, result));
  result.text += sequence.TakeText();
  result.tokens = sequence.generated();
  result.finish_reason = *sequence.finish_reason();
  result.timings.prompt_tokens =
      result.tokens.empty() ? std::min(sequence.cached(), sequence.prompt_size()) : sequence.prompt_size();
  result.timings.cached_tokens = cached;
  result.timings.generated_tokens = result.tokens.size();
  result.timings.drafted_tokens = sequence.drafted_tokens();
  result.timings.accepted_tokens = sequence.accepted_tokens();
  Keep(std::move(sequence));
  return result;
}

void EngineSession::Keep(Sequence sequence) {
  held_.assign(sequence.tokens().begin(), sequence.tokens().begin() + static_cast<std::ptrdiff_t>(sequence.cached()));
  held_length_ = sequence.angle_length();
  pages_ = std::move(sequence).TakePages();
}

}  // namespace octet
