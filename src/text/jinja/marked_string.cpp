#include "text/jinja/marked_string.h"

#include <algorithm>

namespace octet::jinja {

MarkedString::MarkedString(std::string text, bool trusted) : text_(std::move(text)) {
  if (!text_.empty()) runs_.push_back({text_.size(), trusted});
}

bool MarkedString::trusted() const {
  return std::all_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.trusted; });
}

size_t MarkedString::RunAt(size_t offset) const {
  const auto found =
      std::upper_bound(runs_.begin(), runs_.end(), offset, [](size_t at, const Run& run) { return at < run.end; });
  return static_cast<size_t>(found - runs_.begin());
}

bool MarkedString::TrustedAt(size_t offset) const {
  const size_t run = RunAt(offset);
  return run == runs_.size() || runs_[run].trusted;
}

void MarkedString::Append(std::string_view text, bool trusted) {
  if (text.empty()) return;
  text_.append(text);
  if (!runs_.empty() && runs_.back().trusted == trusted) {
    runs_.back().end = text_.size();
  } else {
    runs_.push_back({text_.size(), trusted});
  }
}

size_t MarkedString::MemoryOfSlice(size_t begin, size_t end) const {
  return begin == end ? 0 : MemoryFor(end - begin, RunAt(end - 1) - RunAt(begin) + 1);
}

void MarkedString::MakeRoom(size_t bytes, size_t runs) {
  if (text_.size() + bytes > text_.capacity()) text_.reserve(text_.size() + bytes);  // or twice what it had
  if (runs_.size() + runs > runs_.capacity()) runs_.reserve(std::max(runs_.size() + runs, 2 * runs_.capacity()));
}

void MarkedString::AppendSlice(const MarkedString& other, size_t begin, size_t end) {
  if (begin == end) return;
  const size_t first = other.RunAt(begin);
  if (end > other.runs_[first].end) MakeRoom(end - begin, other.RunAt(end - 1) - first + 1);
  for (size_t run = first; begin < end; ++run) {
    const size_t stop = std::min(end, other.runs_[run].end);
    Append(other.text().substr(begin, stop - begin), other.runs_[run].trusted);
    begin = stop;
  }
}

MarkedString MarkedString::Slice(size_t begin, size_t end) const {
  MarkedString slice;
  slice.AppendSlice(*this, begin, end);
  return slice;
}

}  // namespace octet::jinja
