// The steps that text/pretokenizer.h puts together.
#pragma once

#include <memory>
#include <string>

#include "text/pattern_scanner.h"
#include "text/pretokenizer.h"
#include "text/regex.h"

namespace octet {

// What happens to the text that a pattern matches.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Cuts at the matches of a pattern; `invert` swaps what matches and what doesn't.
class SplitStep : public PreTokenizerStep {
 public:
  SplitStep(PatternScanner scanner, SplitBehavior behavior, bool invert)
      : scanner_(scanner), behavior_(behavior), invert_(invert) {}
  SplitStep(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}
  void Apply(Words& words) const override;

 private:
  struct Match {
    WordSpan span;
    bool matched = false;
  };
  void Find(std::string_view text, size_t offset, std::vector<Match>& matches) const;
  void Arrange(std::vector<Match>& matches, std::vector<WordSpan>& spans) const;

  PatternScanner scanner_ = nullptr;
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

// Puts a space before each word that has none.
class PrefixSpaceStep : public PreTokenizerStep {
 public:
  void Apply(Words& words) const override;
};

// Spells the bytes of each word in the byte-level alphabet, for the rare case that a step follows.
class SpellBytesStep : public PreTokenizerStep {
 public:
  void Apply(Words& words) const override;
};

// SentencePiece's way: spaces become a visible character, one is put in front, words begin with it.
class MetaspaceStep : public PreTokenizerStep {
 public:
  enum class Prepend { kNever, kFirst, kAlways };
  MetaspaceStep(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}
  void Apply(Words& words) const override;

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

// Scanners for single characters and runs of them.
PatternScanner WhitespaceScanner();     // one white-space character
PatternScanner WordOrSymbolsScanner();  // \w+|[^\w\s]+
PatternScanner NumberScanner();         // one character of \p{N}
PatternScanner PunctuationScanner();    // one character of punctuation or ASCII sign

}  // namespace octet
