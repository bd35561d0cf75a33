#include "engine/grammar/decimal_range.h"

#include <string>
#include <vector>

#include "base/cat.h"

namespace octet::grammar {
namespace {

NodeId Digits(Grammar& grammar, uint32_t min, uint32_t max) {
  return grammar.Repeat(grammar.Set({{'0', '9'}}), min, max);
}

// One digit of a range between a prefix and any digits; nothing where the range is empty.
void AddSpan(Grammar& grammar, std::string_view prefix, char low, char high, size_t rest, std::vector<NodeId>& ways) {
  if (low > high) return;
  const NodeId digit = grammar.Set({{static_cast<uint32_t>(low), static_cast<uint32_t>(high)}});
  const auto count = static_cast<uint32_t>(rest);
  ways.push_back(grammar.Sequence({grammar.Literal(prefix), digit, Digits(grammar, count, count)}));
}

// low <= high, the same number of digits.
void AddSameLength(Grammar& grammar, std::string_view low, std::string_view high, std::vector<NodeId>& ways) {
  const size_t size = low.size();
  size_t differ = 0;
  while (differ < size && low[differ] == high[differ]) ++differ;
  ways.push_back(grammar.Literal(low));
  if (differ == size) return;
  ways.push_back(grammar.Literal(high));
  AddSpan(grammar, low.substr(0, differ), static_cast<char>(low[differ] + 1), static_cast<char>(high[differ] - 1),
          size - differ - 1, ways);
  for (size_t i = differ + 1; i < size; ++i) {
    AddSpan(grammar, low.substr(0, i), static_cast<char>(low[i] + 1), '9', size - i - 1, ways);
    AddSpan(grammar, high.substr(0, i), '0', static_cast<char>(high[i] - 1), size - i - 1, ways);
  }
}

// Whole numbers of low .. high, both without a sign.
void AddMagnitudes(Grammar& grammar, uint64_t low, std::optional<uint64_t> high, std::vector<NodeId>& ways) {
  if (high && low > *high) return;
  std::string from = Cat(low);
  if (!high) {
    AddSameLength(grammar, from, std::string(from.size(), '9'), ways);
    const auto size = static_cast<uint32_t>(from.size());
    ways.push_back(grammar.Sequence({grammar.Set({{'1', '9'}}), Digits(grammar, size, kUnlimited)}));
    return;
  }
  const std::string to = Cat(*high);
  for (; from.size() < to.size(); from = "1" + std::string(from.size(), '0'))
    AddSameLength(grammar, from, std::string(from.size(), '9'), ways);
  AddSameLength(grammar, from, to, ways);
}

uint64_t Magnitude(int64_t value) {
  return value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

// Magnitudes of low .. high with fractions.
NodeId DecimalMagnitudes(Grammar& g, uint64_t low, bool low_is_open, std::optional<uint64_t> high, bool high_is_open) {
  std::vector<NodeId> ways;
  const NodeId zeros = g.Repeat(g.Literal("0"), 1, kUnlimited);
  const NodeId no_fraction = g.Optional(g.Sequence({g.Literal("."), zeros}));
  const NodeId any_fraction = g.Optional(g.Sequence({g.Literal("."), Digits(g, 1, kUnlimited)}));
  const NodeId some_fraction = g.Sequence(
      {g.Literal("."), g.Repeat(g.Literal("0"), 0, kUnlimited), g.Set({{'1', '9'}}), Digits(g, 0, kUnlimited)});
  if (high && low >= *high) {
    if (low == *high && !low_is_open && !high_is_open) ways.push_back(g.Sequence({g.Literal(Cat(low)), no_fraction}));
    return g.Choice(ways);
  }
  ways.push_back(g.Sequence({g.Literal(Cat(low)), low_is_open ? some_fraction : any_fraction}));
  std::vector<NodeId> between;
  if (!high)
    AddMagnitudes(g, low + 1, std::nullopt, between);
  else
    AddMagnitudes(g, low + 1, *high - 1, between);
  if (!between.empty()) ways.push_back(g.Sequence({g.Choice(between), any_fraction}));
  if (high && !high_is_open) ways.push_back(g.Sequence({g.Literal(Cat(*high)), no_fraction}));
  return g.Choice(ways);
}

}  // namespace

NodeId IntegerBetween(Grammar& grammar, std::optional<int64_t> low, std::optional<int64_t> high) {
  std::vector<NodeId> positive, negative;
  if (!high || *high >= 0) {
    const uint64_t from = low && *low > 0 ? Magnitude(*low) : 0;
    AddMagnitudes(grammar, from, high ? std::optional(Magnitude(*high)) : std::nullopt, positive);
  }
  if (!low || *low < 0) {
    const uint64_t from = high && *high < 0 ? Magnitude(*high) : 1;
    AddMagnitudes(grammar, from, low ? std::optional(Magnitude(*low)) : std::nullopt, negative);
  }
  if (!negative.empty()) positive.push_back(grammar.Sequence({grammar.Literal("-"), grammar.Choice(negative)}));
  return grammar.Choice(positive);
}

NodeId NumberBetween(Grammar& grammar, const NumberBounds& bounds) {
  const auto [low, high, low_is_open, high_is_open] = bounds;
  std::vector<NodeId> ways;
  if (!high || *high >= 0) {
    const bool from_low = low && *low >= 0;
    ways.push_back(DecimalMagnitudes(grammar, from_low ? Magnitude(*low) : 0, from_low && low_is_open,
                                     high ? std::optional(Magnitude(*high)) : std::nullopt, high_is_open));
  }
  if (!low || *low < 0) {
    // Zero has no sign here.
    const bool from_high = high && *high < 0;
    ways.push_back(grammar.Sequence(
        {grammar.Literal("-"), DecimalMagnitudes(grammar, from_high ? Magnitude(*high) : 0, !from_high || high_is_open,
                                                 low ? std::optional(Magnitude(*low)) : std::nullopt, low_is_open)}));
  }
  return grammar.Choice(ways);
}

}  // namespace octet::grammar
