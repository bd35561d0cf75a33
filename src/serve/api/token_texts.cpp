#include "serve/api/token_texts.h"

#include <array>
#include <charconv>

#include "base/cat.h"
#include "text/byte_level.h"

namespace octet::serve {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// A byte as SentencePiece's vocabularies spell it: <0x1F>.
std::optional<uint8_t> SpeltByte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const std::from_chars_result read = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (read.ec != std::errc() || read.ptr != token.data() + 5) return std::nullopt;
  return byte;
}

Json Numbers(std::string_view bytes) {
  Json list = Json::array();
  for (const char byte : bytes) list.push_back(static_cast<uint8_t>(byte));
  return list;
}

}  // namespace

std::string TokenPiece(const Tokenizer* tokenizer, int32_t id) {
  if (tokenizer == nullptr) return Cat("token_id:", id);
  // A decoder may drop what opens a text, such as the space of the first word: the second of two is whole.
  const std::array<int32_t, 2> twice = {id, id};
  const std::string one = tokenizer->Decode(std::span(twice).first(1));
  const std::string two = tokenizer->Decode(twice);
  return two.starts_with(one) ? two.substr(one.size()) : one;
}

Json TokenBytes(const Tokenizer* tokenizer, int32_t id) {
  if (tokenizer == nullptr) return nullptr;
  const std::string piece = TokenPiece(tokenizer, id);
  if (piece.find(kReplacement) == std::string::npos) return Numbers(piece);
  const std::string_view spelt = tokenizer->TokenText(id);
  if (const std::optional<uint8_t> byte = SpeltByte(spelt)) return Json::array({*byte});
  if (const std::optional<std::string> bytes = BytesOfByteLevel(spelt)) return Numbers(*bytes);
  return nullptr;
}

size_t CodePoints(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += (static_cast<uint8_t>(byte) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

Json ChatLogprob(const Tokenizer* tokenizer, const GeneratedToken& token) {
  const auto entry = [&](int32_t id, float logprob) -> Json {
    return {{"token", TokenPiece(tokenizer, id)}, {"logprob", logprob}, {"bytes", TokenBytes(tokenizer, id)}};
  };
  Json json = entry(token.token, token.logprob.value_or(0));
  Json& top = json["top_logprobs"] = Json::array();
  for (const TokenLogprob& likely : token.top) top.push_back(entry(likely.token, likely.logprob));
  return json;
}

void CompletionLogprobs::Add(std::span<const GeneratedToken> tokens) {
  for (const GeneratedToken& token : tokens) {
    const std::string piece = TokenPiece(tokenizer_, token.token);
    tokens_.push_back(piece);
    offsets_.push_back(offset_);
    offset_ += CodePoints(piece);
    if (!token.logprob) {
      values_.push_back(nullptr);
      tops_.push_back(nullptr);
      continue;
    }
    values_.push_back(*token.logprob);
    Json top = Json::object();
    for (const TokenLogprob& likely : token.top) {
      const std::string text = TokenPiece(tokenizer_, likely.token);
      if (!top.contains(text)) top[text] = likely.logprob;  // the most likely comes first
    }
    if (!top.contains(piece)) top[piece] = *token.logprob;
    tops_.push_back(std::move(top));
  }
}

Json CompletionLogprobs::json() const {
  return {{"tokens", tokens_}, {"token_logprobs", values_}, {"top_logprobs", tops_}, {"text_offset", offsets_}};
}

}  // namespace octet::serve
