// A UTF-8 string that remembers, for every byte, whether the template or some data wrote it.
//
//   MarkedString line("<|im_start|>", /*trusted=*/true);
//   line.Append(user_text, /*trusted=*/false);
//   line.ForEachRun([](std::string_view text, bool trusted) { ... });
//
// Marks are kept as run lengths, so a string from one source costs one run. Offsets are bytes; those who cut at
// characters find the offsets with characters.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace octet::jinja {

class MarkedString {
 public:
  MarkedString() = default;
  MarkedString(std::string text, bool trusted);

  std::string_view text() const { return text_; }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  // Stretches of one source.
  size_t runs() const { return runs_.size(); }
  // Bytes of memory that are taken, with those of the marks: text from two sources by turns has more of them than of
  // text.
  size_t memory() const {
    return (text_.capacity() > kInside ? text_.capacity() + 1 : 0) + runs_.capacity() * sizeof(Run);
  }
  // Bytes that so much text takes.
  static size_t MemoryFor(size_t size, size_t runs) { return size + runs * sizeof(Run); }
  // Those of so many copies in a row; a single mark serves all of them.
  size_t MemoryOf(size_t copies) const {
    return MemoryFor(text_.size() * copies, runs_.size() * (runs_.size() > 1 ? copies : 1));
  }
  // Those of a slice.
  size_t MemoryOfSlice(size_t begin, size_t end) const;
  // Whether no byte came from data; true for the empty string.
  bool trusted() const;
  bool TrustedAt(size_t offset) const;

  // Before appending what makes it this large, so that it needn't move.
  void Reserve(size_t size, size_t runs) {
    text_.reserve(size);
    runs_.reserve(runs);
  }
  // For what has a character for each of the other's, with its mark.
  void ReserveAs(const MarkedString& other) { Reserve(other.size(), other.runs()); }
  void Append(std::string_view text, bool trusted);
  void Append(const MarkedString& other) { AppendSlice(other, 0, other.size()); }
  void AppendSlice(const MarkedString& other, size_t begin, size_t end);
  // The bytes begin .. end - 1. Requires begin <= end <= size().
  MarkedString Slice(size_t begin, size_t end) const;

  // Each byte replaced by map(byte), under the same marks.
  template <class Map>
  MarkedString MapBytes(Map&& map) const {
    MarkedString mapped = *this;
    for (char& byte : mapped.text_) byte = map(byte);
    return mapped;
  }

  // Calls visit(text, trusted) for each maximal run, in order.
  template <class Visit>
  void ForEachRun(Visit&& visit) const {
    size_t begin = 0;
    for (const Run& run : runs_) {
      visit(text().substr(begin, run.end - begin), run.trusted);
      begin = run.end;
    }
  }

 private:
  struct Run {
    size_t end;
    bool trusted;
  };

  static constexpr size_t kInside = 15;  // characters that a std::string keeps in itself

  size_t RunAt(size_t offset) const;
  // As appending one by one would, but moves once.
  void MakeRoom(size_t bytes, size_t runs);

  std::string text_;
  std::vector<Run> runs_;  // ends ascend; the last is the size
};

}  // namespace octet::jinja
