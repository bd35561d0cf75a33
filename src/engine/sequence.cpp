#include "engine/sequence.h"

#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "engine/grammar/compiled_grammar.h"
#include "engine/prompt.h"
#include "engine/sample/check_sampling.h"
#include "engine/speculate/forced_text.h"
#include "engine/speculate/ngram_drafter.h"
#include "models/adapter.h"

namespace octet {
namespace {

// Room set aside so that generating allocates nothing; a context may be larger by far than any memory.
constexpr size_t kReservedTokens = size_t{1} << 20;
constexpr size_t kReservedText = 256;     // bytes, more than a token's text has
constexpr size_t kMostForcedTokens = 32;  // guessed at a time

Status CheckRequest(const Request& request, const SequenceLimits& limits) {
  const size_t size = request.prompt.size();
  if (size == 0)
    return Fail(ErrorCode::kInvalidArgument, "the prompt has no tokens; a model needs at least one to go on from");
  if (size >= limits.context) {
    return Fail(ErrorCode::kInvalidArgument, "the prompt has ", Counted(size, "token"), ", the context has room for ",
                limits.context, " with the answer; shorten the prompt or open the model with a larger context");
  }
  for (size_t i = 0; i < size; ++i) {
    if (request.prompt[i] >= 0 && static_cast<size_t>(request.prompt[i]) < limits.vocab) continue;
    return Fail(ErrorCode::kInvalidArgument, "token ", i, " of the prompt is ", request.prompt[i],
                ", the vocabulary has 0 to ", limits.vocab - 1);
  }
  for (const int32_t token : request.options.stop_tokens) {
    if (token >= 0 && static_cast<size_t>(token) < limits.vocab) continue;
    return Fail(ErrorCode::kInvalidArgument, "stop_tokens names token ", token, ", the vocabulary has 0 to ",
                limits.vocab - 1);
  }
  const std::optional<size_t> most = request.options.max_tokens;
  if (most && request.options.sampling.min_tokens > *most) {
    return Fail(ErrorCode::kInvalidArgument, "min_tokens is ", request.options.sampling.min_tokens,
                ", more than max_tokens, which is ", *most);
  }
  for (const std::string& stop : request.options.stop) {
    if (stop.empty()) return Fail(ErrorCode::kInvalidArgument, "a stop string is empty; leave it out to never stop");
    // Text leaves as UTF-8 alone: such a string could never be found.
    OCTET_TRY(CheckUtf8(stop, "a stop string"));
  }
  if (request.adapter && request.adapter->layers() != limits.layers) {
    return Fail(ErrorCode::kInvalidArgument, "the adapter is for ", Counted(request.adapter->layers(), "layer"),
                ", the model has ", limits.layers);
  }
  if (!request.options.stop.empty() && limits.tokenizer == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "stop strings need a tokenizer, this model has none");
  }
  return {};
}

std::vector<int32_t> EndTokens(const GenerateOptions& options, const SequenceLimits& limits) {
  std::vector<int32_t> tokens = options.stop_tokens;
  if (options.ignore_eos) return tokens;
  for (const int32_t token : limits.end_tokens) {
    if (token >= 0 && static_cast<size_t>(token) < limits.vocab) tokens.push_back(token);
  }
  return tokens;
}

}  // namespace

Status Sequence::Check(const Request& request, const SequenceLimits& limits) {
  OCTET_TRY(CheckRequest(request, limits));
  return CheckSampling(request.options.sampling, limits.vocab);
}

Result<Sequence> Sequence::Create(Request request, const SequenceLimits& limits, PageTable pages, size_t cached) {
  OCTET_TRY(CheckRequest(request, limits));
  OCTET_CHECK(cached < request.prompt.size() && cached <= pages.covered());
  std::vector<int32_t> end_tokens = EndTokens(request.options, limits);
  Sampler sampler =
      OCTET_TRY(Sampler::Create(request.options.sampling, limits.vocab, end_tokens, request.number, *limits.kernels));
  sampler.AddPrompt(request.prompt);
  if (request.grammar) {
    if (request.grammar->tokens().vocab() != limits.vocab) {
      return Fail(ErrorCode::kInvalidArgument, "the grammar was compiled for ", request.grammar->tokens().vocab(),
                  " tokens, the model has ", limits.vocab);
    }
    sampler.Constrain(grammar::CompiledGrammar::Start(request.grammar));
  }

  Sequence sequence(std::move(sampler), std::move(pages));
  sequence.prompt_size_ = request.prompt.size();
  sequence.cached_ = cached;
  sequence.angle_length_ = sequence.prompt_size_;
  sequence.ropes_ = limits.ropes;
  sequence.speculation_ = limits.speculation;
  if (request.make_drafter) {
    sequence.drafter_ = request.make_drafter();
  } else if (limits.speculation.ngram_tokens > 0) {
    sequence.drafter_ = std::make_unique<NgramDrafter>(limits.speculation.ngram_tokens);
  }
  sequence.grammar_ = std::move(request.grammar);
  sequence.adapter_ = std::move(request.adapter);
  sequence.tokenizer_ = limits.tokenizer;
  sequence.most_output_ = limits.context - request.prompt.size();
  if (request.options.max_tokens) sequence.most_output_ = std::min(sequence.most_output_, *request.options.max_tokens);
  sequence.tokens_ = std::move(request.prompt);
  const size_t room = std::min(sequence.most_output_, kReservedTokens);
  sequence.tokens_.reserve(sequence.prompt_size_ + room);
  sequence.generated_.reserve(room);
  sequence.piece_.reserve(kReservedText);
  sequence.text_.reserve(kReservedText);
  sequence.end_tokens_ = std::move(end_tokens);
  if (limits.tokenizer != nullptr) sequence.decoder_.emplace(*limits.tokenizer, !request.options.show_special);
  sequence.min_tokens_ = request.options.sampling.min_tokens;
  sequence.stops_ = StopStrings(std::move(request.options.stop));
  if (sequence.most_output_ == 0) sequence.Finish(FinishReason::kLength);
  if (!sequence.finished() && sequence.sampler_.is_complete()) sequence.Finish(FinishReason::kStop);
  return sequence;
}

// A form's own text first: what it forces is surely part of the answer, and only its tokens are guessed.
size_t Sequence::Draft(size_t most) {
  DropDraft();
  const bool is_reading = tokens_.size() - cached_ > 1;
  const bool may_be_forced = grammar_ && tokenizer_ != nullptr && speculation_.forced_text;
  if (is_reading || generated_.empty() || !(may_be_forced || drafter_)) return 0;
  // The last token that there is room for is chosen and not computed.
  most = std::min({most, most_drafted_, most_output_ - generated_.size() - 1});
  if (most == 0) return 0;
  draft_.push_back(tokens_.back());
  if (may_be_forced)
    DraftText(sampler_.ForcedText(), *tokenizer_, grammar_->tokens(), std::min(most, kMostForcedTokens), draft_);
  if (draft_.size() == 1 && drafter_) drafter_->Propose(tokens_, most, draft_);
  const auto unknown = std::find_if(draft_.begin(), draft_.end(), [this](int32_t token) {
    return token < 0 || static_cast<size_t>(token) >= sampler_.vocab();
  });
  draft_.erase(unknown, draft_.end());
  draft_.resize(std::min(draft_.size(), most + 1));
  const size_t guessed = draft_.size() - 1;
  if (guessed == 0) DropDraft();
  return guessed;
}

std::span<const int32_t> Sequence::ToCompute() const {
  return draft_.empty() ? std::span(tokens_).subspan(cached_) : std::span(draft_);
}

Result<Decoder::Run> Sequence::NextRun(size_t most_tokens) {
  const std::span<const int32_t> tokens = ToCompute();
  const size_t count = std::min(most_tokens, tokens.size());
  OCTET_TRY(pages_.MakeWritable(cached_));
  OCTET_TRY(pages_.Cover(cached_ + count));
  const size_t last = tokens_.size() - cached_ - 1;  // the first token that something is chosen behind
  return Decoder::Run{.tokens = tokens.first(count),
                      .first_position = cached_,
                      .pages = pages_.pages(),
                      .logits_from = std::min(last, count),
                      .prompt_length = angle_length_,
                      .adapter = adapter_.get()};
}

size_t Sequence::PagesToTake(size_t most_tokens) const {
  return pages_.PagesToTake(cached_, cached_ + std::min(most_tokens, ToCompute().size()));
}

void Sequence::Follow(const Sequence& leader) {
  DropDraft();
  pages_ = leader.pages_.Share();
  cached_ = leader.cached_;
}

void Sequence::ReleasePages() {
  DropDraft();
  pages_.Truncate(0);
  cached_ = 0;
}

void Sequence::UsePages(PageTable pages, size_t cached) {
  OCTET_CHECK(cached < tokens_.size() && cached <= pages.covered());
  pages_ = std::move(pages);
  cached_ = cached;
}

// Goes on behind a guess only as if it had been computed alone: it is what was chosen, the answer goes on, and its
// angles are those of the run.
Status Sequence::Advance(const Decoder::Run& run, const float* logits) {
  const std::span<const int32_t> wanted = run.tokens.subspan(run.logits_from);
  cached_ += run.logits_from;
  const size_t length = angle_length_, accepted_before = accepted_tokens_;
  for (size_t row = 0; row < wanted.size(); ++row) {
    const bool is_guess = row > 0;
    if (is_guess && (finished() || angle_length_ != length || wanted[row] != tokens_.back())) break;
    ++cached_;
    if (is_guess) ++accepted_tokens_;
    OCTET_TRY(ChooseNext(logits + row * sampler_.vocab()));
  }
  if (wanted.size() > 1) {
    drafted_tokens_ += wanted.size() - 1;
    most_drafted_ = 2 * (accepted_tokens_ - accepted_before) + 2;
    pages_.Truncate(cached_);
  }
  DropDraft();
  return {};
}

Status Sequence::ChooseNext(const float* logits) {
  Result<SampledToken> next = sampler_.Next({logits, sampler_.vocab()});
  if (!next) {
    error_ = next.error();
    Finish(FinishReason::kCancelled);
    return tl::unexpected(*error_);
  }
  tokens_.push_back(next->token);
  generated_.push_back({next->token, next->logprob, std::move(next->top)});
  if (IsEndToken(next->token)) {
    Finish(FinishReason::kStop);
    return {};
  }
  AddText(next->token);
  if (!finished() && sampler_.is_complete()) Finish(FinishReason::kStop);
  if (!finished() && generated_.size() == most_output_) Finish(FinishReason::kLength);
  if (!finished()) RenewAngles();
  return {};
}

// As transformers' Phi-3 does at that length. The pages are given back, since others may read them too.
void Sequence::RenewAngles() {
  const bool is_due = std::any_of(ropes_.begin(), ropes_.end(), [&](const nn::RopeSpec& rope) {
    return nn::SwitchesBetween(rope, angle_length_, tokens_.size());
  });
  if (!is_due) return;
  ReleasePages();
  angle_length_ = tokens_.size();
}

void Sequence::AddText(int32_t token) {
  if (!decoder_) return;
  piece_.clear();
  decoder_->Push(token, piece_);
  ShowText(piece_);
  if (stops_.matched()) Finish(FinishReason::kStop);
}

// A stop string is not looked for in text that min_tokens asks for.
void Sequence::ShowText(std::string_view text) {
  if (generated_.size() > min_tokens_) {
    stops_.Push(text, text_);
  } else {
    text_ += text;
  }
}

void Sequence::Finish(FinishReason reason) {
  if (finished()) return;
  if (decoder_ && !stops_.matched()) {
    ShowText(decoder_->Finish());
    // The last characters can still complete a stop string.
    if (stops_.matched()) reason = FinishReason::kStop;
    text_ += stops_.Finish();
  }
  finish_reason_ = reason;
}

bool Sequence::IsEndToken(int32_t token) const {
  return std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
}

std::string Sequence::TakeText() {
  std::string taken = text_;
  text_.clear();  // keeps its room
  return taken;
}

}  // namespace octet
