// Rewriting text before it is cut into words: `normalizer` of tokenizer.json.
//
//   Normalizer normalizer = OCTET_TRY(Normalizer::Make(parts.normalizer, where));
//   normalizer.Apply(text);
//
// Types: NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Nmt, Replace, Prepend, BertNormalizer, Precompiled,
// ByteLevel, Sequence.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace octet {

// Text of which each byte may be marked as trusted. No marks at all (the usual case) means that nobody asks.
struct MarkedText {
  std::string text;
  std::string trust;  // empty, or 1 per trusted byte and 0 per other byte of the text

  bool marked() const { return !trust.empty(); }
  // Appends bytes that came of source[begin..end): trusted if all of those are.
  void Append(std::string_view bytes, const MarkedText& source, size_t begin, size_t end);
};

// One step; constant once made.
class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual void Apply(MarkedText& text) const = 0;
};

class Normalizer {
 public:
  // Null makes one that changes nothing. Fails with unsupported naming an unknown type.
  static Result<Normalizer> Make(const Json& definition, std::string_view where);

  // Wants valid UTF-8 and keeps it so.
  void Apply(MarkedText& text) const {
    for (const auto& step : steps_) step->Apply(text);
  }
  bool empty() const { return steps_.empty(); }

  // The normalizer ends in the byte-level alphabet, so that text leaves it spelled.
  bool spells_bytes() const { return spells_bytes_; }

 private:
  Status Add(const Json& definition, std::string_view where, int depth);

  std::vector<std::shared_ptr<const NormalizerStep>> steps_;
  bool spells_bytes_ = false;
};

}  // namespace octet
