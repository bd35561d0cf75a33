#include "text/tokenizer.h"
#include "text/tokenizer_state.h"
#include "text/utf8.h"

namespace octet {

struct StreamDecoder::State {
  const Tokenizer::State* tokenizer;
  bool skip_special;
  DecoderChain chain;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : state_(std::make_unique<State>(State{tokenizer.state_.get(), skip_special, tokenizer.state_->decoder.Start()})) {}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::Push(int32_t id) {
  std::string out;
  const std::string_view token = state_->tokenizer->DecodedTextOf(id);
  if (!token.empty() && !(state_->skip_special && state_->tokenizer->IsSpecial(id))) state_->chain.Push(token, out);
  return out;
}

std::string StreamDecoder::Finish() {
  std::string out;
  state_->chain.Finish(out);
  state_->chain = state_->tokenizer->decoder.Start();
  return out;
}

}  // namespace octet
