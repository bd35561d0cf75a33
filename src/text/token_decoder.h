// Turning tokens into text, one by one: `decoder` of tokenizer.json.
//
//   TokenDecoder decoder = OCTET_TRY(TokenDecoder::Make(parts.decoder, where));
//   DecoderChain chain = decoder.Start();
//   chain.Push("▁Hello", out);
//   chain.Finish(out);
//
// Types: ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip, WordPiece, BPEDecoder, Sequence. With no decoder,
// tokens are joined by spaces. What reaches `out` is whole characters and stays.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/regex.h"

namespace octet {

// One step at work on one text. Tokens come in by Push; what is ready goes on to `next`. Memory of a push serves the
// next one, so that a text in flow allocates nothing.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void Push(std::string_view token) = 0;
  // The last token was pushed: lets go what was held.
  virtual void Finish() {}

  void set_next(DecoderStage* next) { next_ = next; }

 protected:
  DecoderStage* next_ = nullptr;
};

// The end of a chain: appends to a text.
class DecoderSink : public DecoderStage {
 public:
  void Push(std::string_view token) override { *out_ += token; }
  void set_out(std::string* out) { out_ = out; }

 private:
  std::string* out_ = nullptr;
};

// The steps at work on one text.
class DecoderChain {
 public:
  explicit DecoderChain(std::vector<std::unique_ptr<DecoderStage>> stages);

  void Push(std::string_view token, std::string& out);
  void Finish(std::string& out);

 private:
  std::vector<std::unique_ptr<DecoderStage>> stages_;
  std::unique_ptr<DecoderSink> sink_;
};

// A text or a pattern, and what becomes of its matches.
struct Replacement {
  Regex pattern;
  std::string literal;  // where not empty, the pattern is this text itself
  std::string content;

  void Append(std::string_view text, std::string& out) const;
};

class TokenDecoder {
 public:
  static Result<TokenDecoder> Make(const Json& definition, std::string_view where);

  DecoderChain Start() const;

  // What the chain wants for a token: replacements that look at one token alone are made here, once per vocabulary.
  std::string Prepare(std::string_view token) const;

  // ByteLevel alone: the bytes of the tokens are the text.
  bool only_byte_level() const { return only_byte_level_; }

  // The name of a step for which a token's text depends on the tokens around it, empty where it depends at most on
  // whether the token is the first.
  const std::string& dependent_step() const { return dependent_step_; }
  bool has_byte_fallback() const { return has_byte_fallback_; }

 private:
  using StageMaker = std::function<std::unique_ptr<DecoderStage>()>;
  Status Add(const Json& definition, std::string_view where, int depth);

  std::vector<StageMaker> makers_;
  std::vector<Replacement> prepared_;  // made before the first stage
  bool fused_ = false;                 // what leaves the steps so far is parts of one text, no more tokens
  bool only_byte_level_ = false;
  bool has_byte_fallback_ = false;
  std::string dependent_step_;
};

// Appends the bytes' text; a character not yet whole stays in `held`, a malformed sequence becomes U+FFFD.
void AppendWholeUtf8(std::string_view bytes, std::string& held, std::string& out);

}  // namespace octet
