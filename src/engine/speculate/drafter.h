// Guessing the tokens that come next, so that one step computes several of them.
//
//   EngineOptions options{.speculation = {.ngram_tokens = 4}};            // how an engine guesses
//   request.make_drafter = [] { return std::make_unique<MyDrafter>(); };  // or one request
//
// A guess never changes an answer. The step computes the logits behind each guessed token; the sampler chooses at each
// place as it would have chosen there (penalties, forms and draws that depend on seed, request and place), and goes on
// to the next place only while its choice is the token that was guessed. What stands behind the first other choice was
// computed in vain, and its pages go back. Who asks for guesses: Sequence::Draft.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace octet {

// One for each answer; used by one thread at a time.
class Drafter {
 public:
  virtual ~Drafter() = default;

  // Appends to `draft` at most `most` tokens that may follow `tokens`, the prompt and the answer so far, or none. Each
  // call sees the tokens of the call before and at least one more behind them. A guess ends before the first id that
  // the vocabulary doesn't have.
  virtual void Propose(std::span<const int32_t> tokens, size_t most, std::vector<int32_t>& draft) = 0;
};

using MakeDrafter = std::function<std::unique_ptr<Drafter>()>;

// What an engine guesses by itself.
struct Speculation {
  bool forced_text = true;  // what the form of an answer leaves no choice about (forced_text.h)
  size_t ngram_tokens = 0;  // looked up in prompt and answer, at most (ngram_drafter.h); 0: none
};

// Tokens that all answers of a step may guess together: half of what they leave of it, so that prompts go on beside
// them, and no more than 64, since each has a row of logits over the vocabulary.
inline size_t DraftRoom(size_t step_tokens, size_t answers) {
  return std::min<size_t>(64, (step_tokens - std::min(step_tokens, answers)) / 2);
}

}  // namespace octet
