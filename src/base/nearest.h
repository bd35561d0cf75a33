// The name a user probably meant, for messages about unknown names.
//
//   Fail(ErrorCode::kInvalidArgument, "no recipe `", name, "`", DidYouMean(name, names));   // "; did you mean
//   `nvfp4`?"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace octet {

// Insertions, removals, replacements and swaps of neighbours that lead from one word to the other, in bytes.
// Work: a.size() * b.size().
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate with the least distance to `wanted`, the first of equals; none if all are further than a third of its
// length. Two edits are always near enough for a word of four letters or more; a beginning of three or more counts as
// one edit.
std::optional<std::string> Nearest(std::string_view wanted, std::span<const std::string> candidates);

// "; did you mean `x`?" or an empty text.
std::string DidYouMean(std::string_view wanted, std::span<const std::string> candidates);

}  // namespace octet
