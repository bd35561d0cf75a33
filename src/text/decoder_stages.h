// The steps that text/token_decoder.h chains. `fused` means that pushes are parts of one text, cut anywhere between
// characters.
#pragma once

#include <string>

#include "text/token_decoder.h"

namespace octet {

// Tokens joined by spaces: what happens where a tokenizer has no decoder.
class JoinStage : public DecoderStage {
 public:
  void Push(std::string_view token) override;

 private:
  bool first_ = true;
  std::string spaced_;
};

// Bytes spelled in the byte-level alphabet; a token with a character outside it is taken as it is.
class ByteLevelStage : public DecoderStage {
 public:
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  std::string held_;
  std::string whole_;
};

// Runs of <0x00>..<0xFF>; a run that is not UTF-8 as a whole becomes one U+FFFD a byte.
class ByteFallbackStage : public DecoderStage {
 public:
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  std::string run_;
};

class MetaspaceStage : public DecoderStage {
 public:
  MetaspaceStage(std::string replacement, bool drops_first, bool fused)
      : replacement_(std::move(replacement)), drops_first_(drops_first), fused_(fused) {}
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  std::string replacement_;
  bool drops_first_;
  bool fused_;
  std::string whole_;
  std::string replaced_;
};

class ReplaceStage : public DecoderStage {
 public:
  ReplaceStage(Replacement replacement, bool fused);
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  void Replace(std::string_view text);

  Replacement replacement_;
  bool waits_;  // for the whole text, since a match could lie across two pushes
  std::string whole_;
  std::string replaced_;
};

// Takes up to `start` copies of a character off the front and `stop` off the back.
class StripStage : public DecoderStage {
 public:
  StripStage(std::string content, size_t start, size_t stop, bool fused)
      : content_(std::move(content)), start_(start), stop_(stop), fused_(fused), left_(start) {}
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  size_t CopiesAtEnd(std::string_view text) const;

  std::string content_;
  size_t start_, stop_;
  bool fused_;
  size_t left_;       // copies still to take off the front of a fused text
  std::string tail_;  // copies at the end of a fused text that may have to go
  std::string joined_;
};

class WordPieceStage : public DecoderStage {
 public:
  WordPieceStage(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void Push(std::string_view token) override;

 private:
  std::string prefix_;
  bool cleanup_;
  bool first_ = true;
  std::string spaced_;
};

// A suffix ends a word: it becomes a space, but at the end of the text.
class WordSuffixStage : public DecoderStage {
 public:
  explicit WordSuffixStage(std::string suffix) : suffix_(std::move(suffix)) {}
  void Push(std::string_view token) override;
  void Finish() override;

 private:
  void LetGo(std::string_view replacement);

  std::string suffix_;
  std::string held_;
  std::string replaced_;
  bool holds_ = false;
};

}  // namespace octet
