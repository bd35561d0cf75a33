// One sequence of tokens in the engine: a prompt that becomes an answer, with its own place in the cache, its own
// sampling state and its own text.
//
//   Sequence sequence = OCTET_TRY(Sequence::Create(request, limits, std::move(pages)));
//   while (!sequence.finished()) {
//     Decoder::Run run = OCTET_TRY(sequence.NextRun(/*most_tokens=*/512));
//     ... Decoder::Forward over the runs of many sequences ...
//     OCTET_TRY(sequence.Advance(run, logits));
//     Show(sequence.TakeText());
//   }
//
// It makes no difference whether the tokens to compute are a prompt or one generated token. Who runs sequences
// together: engine/step.h; one request from start to end: engine/session.h. Between the two a caller may ask for Draft:
// tokens that are guessed, computed by the same run, and kept as far as they are what would have been chosen anyway.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/cache/page_table.h"
#include "engine/request.h"
#include "engine/sample/sampler.h"
#include "engine/sample/stop_strings.h"
#include "engine/speculate/drafter.h"
#include "models/decoder.h"
#include "text/tokenizer.h"

namespace octet {

// What a request is held against; the pointers outlive the sequence.
struct SequenceLimits {
  size_t context = 0;  // prompt and answer together
  size_t vocab = 0;
  std::span<const int32_t> end_tokens;       // the model's own
  const Tokenizer* tokenizer = nullptr;      // null: no text, and no stop strings
  std::span<const nn::RopeSpec> ropes = {};  // the model's; empty: angles don't depend on a sequence's length
  Speculation speculation = {};              // what Draft guesses
  size_t layers = 0;                         // the model's, which an adapter must have as well
  const kernels::KernelTable* kernels = &kernels::ActiveKernels();  // an engine's own
};

class Sequence {
 public:
  // Whether a request can be run, without running or keeping any of it: fails as Create does. From any thread.
  static Status Check(const Request& request, const SequenceLimits& limits);

  // `cached`: tokens of the prompt whose keys and values are in `pages` already, fewer than the prompt has. Fails with
  // invalid_argument for an empty prompt, one that leaves no room in the context (with both numbers), a token outside
  // the vocabulary, and options that can't work.
  static Result<Sequence> Create(Request request, const SequenceLimits& limits, PageTable pages, size_t cached = 0);

  Sequence(Sequence&&) = default;

  // Guesses at most `most` tokens behind the last one, for the next run alone; how many. Two more than twice those that
  // were right the last time at most, and none before the first token of the answer and while a prompt is read. The
  // guess of the call before is forgotten. Requires !finished().
  size_t Draft(size_t most);

  // The next tokens to compute, at most most_tokens, with those guessed behind them; their pages are taken, and copied
  // where others hold them too. Fails with exhausted where the cache is full. Requires !finished() and most_tokens > 0.
  // What the run points to stands until the next Advance or Draft.
  Result<Decoder::Run> NextRun(size_t most_tokens);
  // Pages of the pool that NextRun would take.
  size_t PagesToTake(size_t most_tokens) const;

  // After the forward pass of that run: `logits` [rows, vocab] of the tokens that the run wanted them for, which give
  // the next token; with guessed ones behind it, a token more for each guess that was right. Where that makes the
  // sequence too long for the angles of its cached keys (longrope), cached() falls to 0 and the next runs read all
  // tokens again. Fails as Sampler::Next does, whereupon the sequence has ended.
  Status Advance(const Decoder::Run& run, const float* logits);

  // Takes part in what `leader`, of the same prompt, has computed so far, sharing its pages. Advance with the leader's
  // runs from there on, or with runs of its own.
  void Follow(const Sequence& leader);
  // Gives its pages back; what it has said stays. It goes on by reading all its tokens again, with the same results.
  void ReleasePages();
  // Goes on from pages that hold its first tokens, computed for the same angle_length. `cached` is less than the tokens
  // it has. After ReleasePages.
  void UsePages(PageTable pages, size_t cached);

  bool finished() const { return finish_reason_.has_value(); }
  std::optional<FinishReason> finish_reason() const { return finish_reason_; }
  // Why it ended before its time; beside kCancelled.
  const std::optional<Error>& error() const { return error_; }
  // Ends it where it stands.
  void Cancel() { Finish(FinishReason::kCancelled); }

  // Text that became certain since the last call.
  std::string TakeText();

  size_t prompt_size() const { return prompt_size_; }
  // Prompt and answer.
  const std::vector<int32_t>& tokens() const { return tokens_; }
  // Tokens whose keys and values are in the pages.
  size_t cached() const { return cached_; }
  const PageTable& pages() const { return pages_; }
  // Which of the request's stop strings ended it.
  std::optional<size_t> stop_string() const { return stops_.matched(); }
  // The length that counted for their angles (nn/rope.h).
  size_t angle_length() const { return angle_length_; }
  const std::vector<GeneratedToken>& generated() const { return generated_; }
  // Tokens that were guessed and computed, and those of them that were right.
  size_t drafted_tokens() const { return drafted_tokens_; }
  size_t accepted_tokens() const { return accepted_tokens_; }
  // Spent on what its grammar allows; absent where it has none.
  std::optional<double> mask_seconds() const { return sampler_.mask_seconds(); }
  // The pages, for whoever goes on where this sequence ended.
  PageTable TakePages() && { return std::move(pages_); }

 private:
  Sequence(Sampler sampler, PageTable pages) : sampler_(std::move(sampler)), pages_(std::move(pages)) {}

  std::span<const int32_t> ToCompute() const;
  void DropDraft() { draft_.clear(); }
  Status ChooseNext(const float* logits);
  void AddText(int32_t token);
  void ShowText(std::string_view text);
  void Finish(FinishReason reason);
  bool IsEndToken(int32_t token) const;
  void RenewAngles();

  Sampler sampler_;
  PageTable pages_;
  std::vector<int32_t> tokens_;
  size_t prompt_size_ = 0;
  size_t cached_ = 0;
  size_t angle_length_ = 0;
  std::span<const nn::RopeSpec> ropes_;
  size_t most_output_ = 0;
  size_t min_tokens_ = 0;
  std::vector<int32_t> end_tokens_;
  std::vector<GeneratedToken> generated_;
  std::vector<int32_t> draft_;  // the last token and those guessed behind it; empty where there are none
  Speculation speculation_;
  std::unique_ptr<Drafter> drafter_;
  std::shared_ptr<grammar::CompiledGrammar> grammar_;
  std::shared_ptr<const Adapter> adapter_;
  const Tokenizer* tokenizer_ = nullptr;
  size_t drafted_tokens_ = 0, accepted_tokens_ = 0;
  size_t most_drafted_ = SIZE_MAX;  // of the next guess, by how good the last one was
  std::optional<StreamDecoder> decoder_;
  StopStrings stops_;
  std::string piece_;  // of the last token
  std::string text_;
  std::optional<FinishReason> finish_reason_;
  std::optional<Error> error_;
};

}  // namespace octet
