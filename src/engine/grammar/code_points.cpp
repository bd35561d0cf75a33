#include "engine/grammar/code_points.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace octet::grammar {
namespace {

constexpr CodePointRange kSurrogates = {0xD800, 0xDFFF};

// Largest code point of so many bytes.
constexpr uint32_t kLastOfBytes[] = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};

size_t Spell(uint32_t code_point, size_t size, uint8_t* out) {
  for (size_t i = size; i-- > 1; code_point >>= 6) out[i] = static_cast<uint8_t>(0x80 | (code_point & 0x3F));
  constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out[0] = static_cast<uint8_t>(kLead[size - 1] | code_point);
  return size;
}

// A range whose members have the same number of bytes. Cut until only trailing bytes run through all their values.
void AppendSequences(CodePointRange range, size_t size, std::vector<Utf8Sequence>& out) {
  std::vector<CodePointRange> waiting = {range};
  while (!waiting.empty()) {
    const CodePointRange now = waiting.back();
    waiting.pop_back();
    bool cut = false;
    for (size_t trailing = 1; trailing < size && !cut; ++trailing) {
      const uint32_t mask = (uint32_t{1} << (6 * trailing)) - 1;
      if ((now.low & ~mask) == (now.high & ~mask)) continue;
      // The part that comes first goes on top.
      if ((now.low & mask) != 0) {
        waiting.push_back({(now.low | mask) + 1, now.high});
        waiting.push_back({now.low, now.low | mask});
        cut = true;
      } else if ((now.high & mask) != mask) {
        waiting.push_back({now.high & ~mask, now.high});
        waiting.push_back({now.low, (now.high & ~mask) - 1});
        cut = true;
      }
    }
    if (cut) continue;
    uint8_t low[4], high[4];
    Utf8Sequence sequence;
    sequence.size = Spell(now.low, size, low);
    Spell(now.high, size, high);
    for (size_t i = 0; i < size; ++i) sequence.bytes[i] = {low[i], high[i]};
    out.push_back(sequence);
  }
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<CodePointRange> ranges) : ranges_(ranges) { Normalize(); }

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) : ranges_(std::move(ranges)) { Normalize(); }

void CodePointSet::Add(uint32_t low, uint32_t high) {
  ranges_.push_back({low, high});
  Normalize();
}

void CodePointSet::Add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  Normalize();
}

void CodePointSet::Normalize() {
  std::vector<CodePointRange> sorted;
  for (const CodePointRange& range : ranges_) {
    if (range.low < kSurrogates.low) sorted.push_back({range.low, std::min(range.high, kSurrogates.low - 1)});
    if (range.high > kSurrogates.high) sorted.push_back({std::max(range.low, kSurrogates.high + 1), range.high});
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
  ranges_.clear();
  for (const CodePointRange& range : sorted) {
    if (!ranges_.empty() && range.low <= ranges_.back().high + 1)
      ranges_.back().high = std::max(ranges_.back().high, range.high);
    else
      ranges_.push_back(range);
  }
}

CodePointSet CodePointSet::Complement() const {
  CodePointSet rest;
  uint32_t next = 0;
  for (const CodePointRange& range : ranges_) {
    if (range.low > next) rest.ranges_.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kLastCodePoint) rest.ranges_.push_back({next, kLastCodePoint});
  rest.Normalize();
  return rest;
}

CodePointSet CodePointSet::Without(const CodePointSet& other) const { return And(other.Complement()); }

CodePointSet CodePointSet::And(const CodePointSet& other) const {
  CodePointSet both;
  for (auto a = ranges_.begin(), b = other.ranges_.begin(); a != ranges_.end() && b != other.ranges_.end();) {
    const uint32_t low = std::max(a->low, b->low), high = std::min(a->high, b->high);
    if (low <= high) both.ranges_.push_back({low, high});
    a->high < b->high ? static_cast<void>(++a) : static_cast<void>(++b);
  }
  return both;
}

bool CodePointSet::Contains(uint32_t code_point) const {
  const auto behind = std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                                       [](uint32_t value, const CodePointRange& range) { return value < range.low; });
  return behind != ranges_.begin() && std::prev(behind)->high >= code_point;
}

std::vector<Utf8Sequence> Utf8Sequences(const CodePointSet& set) {
  std::vector<Utf8Sequence> sequences;
  for (const CodePointRange& range : set.ranges()) {
    uint32_t low = range.low;
    for (size_t size = 1; size <= 4; ++size) {
      const uint32_t last = kLastOfBytes[size - 1];
      if (low > last || low > range.high) continue;
      AppendSequences({low, std::min(last, range.high)}, size, sequences);
      low = last + 1;
    }
  }
  return sequences;
}

}  // namespace octet::grammar
