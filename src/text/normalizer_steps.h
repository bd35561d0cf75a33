// The steps that text/normalizer.h puts together.
#pragma once

#include <string>

#include "text/charsmap.h"
#include "text/normalizer.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace octet {

// NFC, NFD, NFKC, NFKD (Unicode annex 15).
class UnicodeFormStep : public NormalizerStep {
 public:
  explicit UnicodeFormStep(NormalizationForm form) : form_(form) {}
  void Apply(MarkedText& text) const override;

 private:
  NormalizationForm form_;
};

// Rewrites character by character: change(code_point, out) appends what a character becomes.
class CharacterStep : public NormalizerStep {
 public:
  using Change = void (*)(uint32_t code_point, std::string& out);
  explicit CharacterStep(Change change) : change_(change) {}
  void Apply(MarkedText& text) const override;

 private:
  Change change_;
};

// Takes white space off the ends.
class StripStep : public NormalizerStep {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}
  void Apply(MarkedText& text) const override;

 private:
  bool left_, right_;
};

// Each match of a pattern becomes `content`.
class ReplaceStep : public NormalizerStep {
 public:
  ReplaceStep(Regex pattern, std::string literal, std::string content)
      : pattern_(std::move(pattern)), literal_(std::move(literal)), content_(std::move(content)) {}
  void Apply(MarkedText& text) const override;

 private:
  Regex pattern_;
  std::string literal_;  // where not empty, the pattern is this text itself
  std::string content_;
};

// Puts a text before a text that isn't empty.
class PrependStep : public NormalizerStep {
 public:
  explicit PrependStep(std::string content) : content_(std::move(content)) {}
  void Apply(MarkedText& text) const override;

 private:
  std::string content_;
};

// SentencePiece's compiled rules.
class CharsmapStep : public NormalizerStep {
 public:
  explicit CharsmapStep(Charsmap map) : map_(std::move(map)) {}
  void Apply(MarkedText& text) const override;

 private:
  Charsmap map_;
};

// Changes of the parts of BertNormalizer and of the others that look at one character.
void LowercaseChar(uint32_t code_point, std::string& out);
void CleanBertChar(uint32_t code_point, std::string& out);
void SpaceChineseChar(uint32_t code_point, std::string& out);
void DropNonspacing(uint32_t code_point, std::string& out);
void DropMark(uint32_t code_point, std::string& out);
void CleanNmtChar(uint32_t code_point, std::string& out);
void SpellChar(uint32_t code_point, std::string& out);

}  // namespace octet
