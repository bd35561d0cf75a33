#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/tokenizer_state.h"
#include "text/utf8.h"

namespace octet {
namespace {

// How many tokens of each text stay, of `room` for both: the package `tokenizers`' LongestFirst to the letter. Where
// both are cut, the odd token goes to the longer one, and to the second of equals.
std::pair<size_t, size_t> CutLongestFirst(size_t first, size_t second, size_t room) {
  if (first + second <= room) return {first, second};
  const size_t shorter = std::min(first, second);
  if (2 * shorter >= room) {
    const size_t half = room / 2, rest = room - half;
    return first > second ? std::pair{rest, half} : std::pair{half, rest};
  }
  return first > second ? std::pair{room - shorter, shorter} : std::pair{shorter, room - shorter};
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::FromParts(TokenizerParts parts, std::string_view where) {
  return Tokenizer(OCTET_TRY(State::Make(std::move(parts), where)));
}

Result<Tokenizer> Tokenizer::FromJson(std::string_view tokenizer_json, const Json& tokenizer_config,
                                      std::string_view where) {
  TokenizerParts parts = OCTET_TRY(ReadTokenizerJson(tokenizer_json, tokenizer_config, where));
  return FromParts(std::move(parts), where);
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  const MarkedText marked{IsValidUtf8(text) ? std::string(text) : ReplaceInvalidUtf8(text), {}};
  return state_->Encode(marked, options.add_special, {options.parse_special, {}});
}

std::vector<int32_t> Tokenizer::EncodeMarked(std::span<const TextPiece> pieces, bool add_special,
                                             std::string_view template_source) const {
  MarkedText marked;
  for (const TextPiece& piece : pieces) {
    // A character whose bytes lie in two pieces is malformed in both.
    marked.text += IsValidUtf8(piece.text) ? piece.text : ReplaceInvalidUtf8(piece.text);
    marked.trust.resize(marked.text.size(), piece.trusted ? '\1' : '\0');
  }
  const std::vector<int32_t> template_tokens = state_->TokensIn(template_source);
  return state_->Encode(marked, add_special, {/*parse_special=*/true, template_tokens});
}

std::vector<int32_t> Tokenizer::Frame(std::span<const int32_t> ids) const {
  const SpecialFrame& frame = state_->frame;
  std::vector<int32_t> framed = frame.before;
  framed.insert(framed.end(), ids.begin(), ids.end());
  framed.insert(framed.end(), frame.after.begin(), frame.after.end());
  return framed;
}

Result<TokenPair> Tokenizer::FramePair(std::span<const int32_t> first, std::span<const int32_t> second,
                                       size_t most) const {
  const std::vector<PairPart>& parts = state_->frame.pair;
  if (parts.empty())
    return Fail(ErrorCode::kUnsupported, "the tokenizer's post_processor has no rule for pairs of texts that is known");
  size_t special = 0;
  for (const PairPart& part : parts) special += part.ids.size();
  if (most <= special) {
    return Fail(ErrorCode::kInvalidArgument, "a pair of at most ", most, " tokens has no room for texts beside ",
                special, " special ones");
  }
  const auto [of_first, of_second] = CutLongestFirst(first.size(), second.size(), most - special);
  TokenPair pair;
  for (const PairPart& part : parts) {
    const std::span<const int32_t> ids = part.kind == PairPart::Kind::kSpecial ? std::span<const int32_t>(part.ids)
                                         : part.kind == PairPart::Kind::kFirst ? first.first(of_first)
                                                                               : second.first(of_second);
    pair.ids.insert(pair.ids.end(), ids.begin(), ids.end());
    pair.types.resize(pair.ids.size(), part.type);
  }
  return pair;
}

size_t Tokenizer::frame_size() const { return state_->frame.before.size() + state_->frame.after.size(); }

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string out;
  if (state_->decoder.only_byte_level()) {
    std::string bytes;
    for (const int32_t id : ids) {
      if (!skip_special || !state_->IsSpecial(id)) bytes += state_->BytesOf(id);
    }
    return IsValidUtf8(bytes) ? bytes : ReplaceInvalidUtf8(bytes);
  }
  DecoderChain chain = state_->decoder.Start();
  for (const int32_t id : ids) {
    if (!state_->IsBlank(id) && !(skip_special && state_->IsSpecial(id))) chain.Push(state_->BytesOf(id), out);
  }
  chain.Finish(out);
  return out;
}

std::string_view Tokenizer::TokenText(int32_t id) const { return state_->TextOf(id); }

std::optional<int32_t> Tokenizer::TokenId(std::string_view token_text) const {
  if (const auto added = state_->added_index.Find(token_text)) return state_->added[static_cast<size_t>(*added)].id;
  return state_->vocabulary.Find(token_text);
}

bool Tokenizer::IsSpecial(int32_t id) const { return state_->IsSpecial(id); }
size_t Tokenizer::vocab_size() const { return state_->texts.size(); }
std::optional<int32_t> Tokenizer::bos() const { return state_->bos; }

std::optional<int32_t> Tokenizer::added_bos() const {
  const std::vector<int32_t> ids = Encode("a", {.add_special = true, .parse_special = false});
  return ids.empty() || ids.front() != bos() ? std::nullopt : bos();
}

std::optional<int32_t> Tokenizer::eos() const { return state_->eos; }

}  // namespace octet
