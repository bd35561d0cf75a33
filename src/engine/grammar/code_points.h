// Sets of Unicode characters, and the byte sequences that spell them in UTF-8.
//
//   CodePointSet vowels;
//   vowels.Add('a', 'a');
//   for (const Utf8Sequence& sequence : Utf8Sequences(vowels.Complement())) ...
//
// Surrogates (U+D800 to U+DFFF) are never members: UTF-8 can't spell them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace octet::grammar {

inline constexpr uint32_t kLastCodePoint = 0x10FFFF;

struct CodePointRange {
  uint32_t low = 0;
  uint32_t high = 0;  // still inside
  bool operator==(const CodePointRange&) const = default;
};

class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges);
  // In any order; may overlap.
  explicit CodePointSet(std::vector<CodePointRange> ranges);
  static CodePointSet All() { return {{0, kLastCodePoint}}; }

  // Requires low <= high <= kLastCodePoint.
  void Add(uint32_t low, uint32_t high);
  void Add(const CodePointSet& other);

  CodePointSet Complement() const;
  CodePointSet Without(const CodePointSet& other) const;
  CodePointSet And(const CodePointSet& other) const;
  bool Contains(uint32_t code_point) const;

  // Sorted, neither overlapping nor touching.
  const std::vector<CodePointRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }

 private:
  void Normalize();

  std::vector<CodePointRange> ranges_;
};

// One range of byte values for each byte of a character.
struct Utf8Sequence {
  struct Bytes {
    uint8_t low = 0;
    uint8_t high = 0;
  };
  std::array<Bytes, 4> bytes = {};
  size_t size = 0;
};

// Together they match exactly the characters of the set. At most 12 for each range of it.
std::vector<Utf8Sequence> Utf8Sequences(const CodePointSet& set);

}  // namespace octet::grammar
