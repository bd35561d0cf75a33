#include "base/options.h"

#include <charconv>
#include <cmath>

#include "base/nearest.h"

namespace octet {

std::string Option::Variable() const {
  std::string variable = "OCTET_" + name;
  for (char& sign : variable) {
    if (sign == '-') sign = '_';
    if (sign >= 'a' && sign <= 'z') sign = static_cast<char>(sign - 'a' + 'A');
  }
  return variable;
}

namespace internal {

Status ParseValue(std::string_view text, std::string_view where, bool& out) {
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) {
      out = true;
      return {};
    }
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) {
      out = false;
      return {};
    }
  }
  return Fail(ErrorCode::kInvalidArgument, where, ": `", text, "` is neither true nor false");
}

Status ParseValue(std::string_view text, std::string_view where, double& out) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !std::isfinite(value)) {
    return Fail(ErrorCode::kInvalidArgument, where, ": `", text, "` is not a number");
  }
  out = value;
  return {};
}

Status ParseInteger(std::string_view text, std::string_view where, int64_t low, uint64_t high, bool& negative,
                    uint64_t& magnitude) {
  negative = text.starts_with('-');
  const std::string_view digits = negative ? text.substr(1) : text;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  const bool only_digits = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!only_digits) return Fail(ErrorCode::kInvalidArgument, where, ": `", text, "` is not a whole number");
  const uint64_t limit = negative ? uint64_t{0} - static_cast<uint64_t>(low) : high;
  if (parsed.ec != std::errc() || magnitude > limit) {
    return Fail(ErrorCode::kInvalidArgument, where, ": ", text, " is outside ", low, "..", high);
  }
  return {};
}

Status CheckRange(double value, const Between& range, std::string_view text, std::string_view where) {
  if (value >= range.low && value <= range.high) return {};
  if (range.high == kNoLimit) {
    return Fail(ErrorCode::kInvalidArgument, where, ": ", text, " is below ", PrintNumber(range.low));
  }
  return Fail(ErrorCode::kInvalidArgument, where, ": ", text, " is outside ", PrintNumber(range.low), "..",
              PrintNumber(range.high));
}

Status CheckChoice(std::string_view text, const std::vector<std::string>& choices, std::string_view where) {
  std::string all;
  for (const std::string& choice : choices) {
    if (text == choice) return {};
    all += (all.empty() ? "" : ", ") + choice;
  }
  return Fail(ErrorCode::kInvalidArgument, where, ": `", text, "` is not one of ", all, DidYouMean(text, choices));
}

std::vector<std::string_view> CommaList(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string PrintNumber(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  std::string exact(digits, end.ptr);
  // 1e+06 reads worse than 1000000.
  if (exact.find('e') != std::string::npos && std::abs(value) < 1e15 && value == std::floor(value)) {
    return std::to_string(static_cast<int64_t>(value));
  }
  return exact;
}

}  // namespace internal
}  // namespace octet
