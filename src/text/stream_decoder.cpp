#include <utility>

#include "text/tokenizer.h"
#include "text/tokenizer_state.h"
#include "text/utf8.h"

namespace octet {

struct StreamDecoder::State {
  const Tokenizer::State* tokenizer;
  bool skip_special;
  DecoderChain chain;
  std::string held;  // of a byte-level decoder: bytes that aren't a character yet
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : state_(
          std::make_unique<State>(State{tokenizer.state_.get(), skip_special, tokenizer.state_->decoder.Start(), {}})) {
}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::Push(int32_t id) {
  std::string out;
  Push(id, out);
  return out;
}

void StreamDecoder::Push(int32_t id, std::string& out) {
  const Tokenizer::State& tokenizer = *state_->tokenizer;
  if (state_->skip_special && tokenizer.IsSpecial(id)) return;
  if (tokenizer.decoder.only_byte_level()) return AppendWholeUtf8(tokenizer.BytesOf(id), state_->held, out);
  if (!tokenizer.IsBlank(id)) state_->chain.Push(tokenizer.BytesOf(id), out);
}

std::string StreamDecoder::Finish() {
  std::string out = ReplaceInvalidUtf8(std::exchange(state_->held, {}));
  state_->chain.Finish(out);
  state_->chain = state_->tokenizer->decoder.Start();
  return out;
}

}  // namespace octet
