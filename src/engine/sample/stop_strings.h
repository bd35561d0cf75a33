// Ending an answer at a piece of text, which may be spread over several tokens.
//
//   StopStrings stops({"\nUser:", "###"});
//   std::string shown = stops.Push(piece);     // text that is safe to show: no stop begins in it
//   if (stops.matched()) ...                   // nothing from the stop on was or will be shown
//   shown += stops.Finish();                   // the end came otherwise: what was held back
//
// The stop that is complete first counts; the longer of two that are complete at once. So the text that leaves is the
// same however it is cut into pushes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

class StopStrings {
 public:
  StopStrings() = default;
  // Requires that no stop is empty.
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // After a match it returns nothing.
  std::string Push(std::string_view text);
  // The same appended to `out`; allocates nothing where that has room and the text is no longer than any before.
  void Push(std::string_view text, std::string& out);
  std::string Finish();

  // Which stop ended the text.
  std::optional<size_t> matched() const { return matched_; }

 private:
  bool FindFirstStop(size_t& begin);
  size_t HeldBack() const;

  std::vector<std::string> stops_;
  std::string held_;
  std::optional<size_t> matched_;
};

}  // namespace octet
