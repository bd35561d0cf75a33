#include "engine/sample/stop_strings.h"

#include <algorithm>
#include <utility>

namespace octet {

std::string StopStrings::Push(std::string_view text) {
  std::string safe;
  Push(text, safe);
  return safe;
}

void StopStrings::Push(std::string_view text, std::string& out) {
  if (matched_) return;
  if (stops_.empty()) {
    out += text;
    return;
  }
  held_ += text;
  size_t end = 0;
  if (!FindFirstStop(end)) end = held_.size() - HeldBack();
  out.append(held_, 0, end);
  held_.erase(0, end);
}

std::string StopStrings::Finish() { return matched_ ? std::string() : std::exchange(held_, {}); }

bool StopStrings::FindFirstStop(size_t& begin) {
  size_t best_end = std::string::npos;
  for (size_t i = 0; i < stops_.size(); ++i) {
    const size_t found = held_.find(stops_[i]);
    if (found == std::string::npos) continue;
    const size_t end = found + stops_[i].size();
    if (end < best_end || (end == best_end && found < begin)) {
      best_end = end;
      begin = found;
      matched_ = i;
    }
  }
  return matched_.has_value();
}

// Length of the longest end of the text that a stop could begin with.
size_t StopStrings::HeldBack() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(held_.size(), stop.size() - 1); length > longest; --length) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) longest = length;
    }
  }
  return longest;
}

}  // namespace octet
