// Text to token ids and back, as the model's own tokenizer.json or GGUF vocabulary says.
//
//   Tokenizer tokenizer = OCTET_TRY(Tokenizer::FromJson(json_text, tokenizer_config, "tokenizer.json"));
//   std::vector<int32_t> ids = tokenizer.Encode("Hello, world", {.add_special = true, .parse_special = false});
//   StreamDecoder stream(tokenizer, /*skip_special=*/true);
//   for (int32_t id : ids) Print(stream.Push(id));
//   Print(stream.Finish());
//
// Ids equal those of the Hugging Face `tokenizers` package. Text that is not UTF-8 is read as Python's errors="replace"
// reads it: each malformed sequence becomes U+FFFD. Opening by path: text/open_tokenizer.h. Chat templates:
// text/chat_template.h. What of tokenizer.json is supported: docs/formats/tokenizer.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/text_piece.h"

namespace octet {

class GgufFile;
struct TokenBytes;
struct TokenizerParts;

struct EncodeOptions {
  bool add_special = true;    // put BOS, EOS and the like where the tokenizer's post-processor puts them
  bool parse_special = true;  // special tokens written in the text become their ids; false leaves them plain text
};

// Two texts as one sequence of a model that reads pairs.
struct TokenPair {
  std::vector<int32_t> ids;
  std::vector<int32_t> types;  // of each id: mostly 0 up to the end of the first text, then 1
};

// Constant once made; any number of threads may use one at a time.
class Tokenizer {
 public:
  // `tokenizer_config` is the content of tokenizer_config.json, or null where there is none. `where` opens every
  // message. Fails with corrupt, or with unsupported naming the part that this build doesn't know.
  static Result<Tokenizer> FromJson(std::string_view tokenizer_json, const Json& tokenizer_config,
                                    std::string_view where);
  static Result<Tokenizer> FromGguf(const GgufFile& file);
  // For the two above: parts that were read from either kind of file.
  static Result<Tokenizer> FromParts(TokenizerParts parts, std::string_view where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options = {}) const;

  // The pieces joined and encoded as one text, but that tokens which steer the model count only where every character
  // of them is trusted: special ones, those that look like control tokens (LooksLikeControl in text/added_tokens.h),
  // and added words that stand in the chat template's source.
  std::vector<int32_t> EncodeMarked(std::span<const TextPiece> pieces, bool add_special,
                                    std::string_view template_source) const;

  // The ids of a text that was encoded without special tokens, with those that stand around it.
  std::vector<int32_t> Frame(std::span<const int32_t> ids) const;
  // How many stand around it.
  size_t frame_size() const;

  // The ids of two texts that were encoded without special tokens, joined as the tokenizer's post-processor joins them.
  // Where all would be more than `most` tokens, ids go from the end of the longer text, and once both are equally long
  // from both, as transformers' `longest_first`. Fails with unsupported where the tokenizer has no rule for pairs that
  // this build knows, with invalid_argument where `most` has no room for the special tokens.
  Result<TokenPair> FramePair(std::span<const int32_t> first, std::span<const int32_t> second,
                              size_t most = SIZE_MAX) const;

  // Always valid UTF-8. Ids outside the vocabulary yield nothing.
  std::string Decode(std::span<const int32_t> ids, bool skip_special = false) const;

  // The token as the vocabulary spells it (byte-level vocabularies write a space as U+0120), empty for an unused id.
  std::string_view TokenText(int32_t id) const;
  std::optional<int32_t> TokenId(std::string_view token_text) const;
  bool IsSpecial(int32_t id) const;

  // Largest id + 1; ids below it may be unused.
  size_t vocab_size() const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  // BOS where a text's ids begin with it by themselves.
  std::optional<int32_t> added_bos() const;

 private:
  friend class StreamDecoder;
  friend Result<TokenBytes> ReadTokenBytes(const Tokenizer& tokenizer);  // text/token_bytes.h
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

// Turns ids into text as they come: only whole characters leave, and what left is never taken back.
// The texts of all pushes and of Finish joined equal Decode of all ids. The tokenizer must outlive it.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special);
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  ~StreamDecoder();

  std::string Push(int32_t id);
  // The same, appended to `out`.
  void Push(int32_t id, std::string& out);
  // What was held back, malformed bytes as U+FFFD; the decoder is then as new.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octet
