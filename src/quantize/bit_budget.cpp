#include "quantize/bit_budget.h"

#include <algorithm>

#include "base/error.h"

namespace octet {
namespace {

// The next option of a part that is worth its bits.
struct Step {
  size_t part = 0;
  size_t option = 0;
  double bits = 0;   // more than the option before
  double saved = 0;  // of the loss

  double rate() const { return saved / bits; }
};

// Options from the cheapest on, each of which saves more loss a bit than those behind it: the lower convex hull.
std::vector<size_t> HullOf(const BudgetPart& part) {
  OCTET_CHECK(!part.options.empty());
  std::vector<size_t> order(part.options.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto at = [&](size_t option) -> const BudgetOption& { return part.options[option]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return at(a).bits < at(b).bits || (at(a).bits == at(b).bits && at(a).loss < at(b).loss);
  });
  std::vector<size_t> hull;
  for (const size_t option : order) {
    if (!hull.empty() && at(option).loss >= at(hull.back()).loss) continue;
    const auto lies_above = [&](size_t before, size_t middle) {
      return (at(before).loss - at(middle).loss) * (at(option).bits - at(middle).bits) <=
             (at(middle).loss - at(option).loss) * (at(middle).bits - at(before).bits);
    };
    while (hull.size() >= 2 && lies_above(hull[hull.size() - 2], hull.back())) hull.pop_back();
    hull.push_back(option);
  }
  return hull;
}

// Every step of every part, the best first. A part's own steps stand in their order, since its hull is convex.
std::vector<Step> StepsOf(std::span<const BudgetPart> parts) {
  std::vector<Step> steps;
  for (size_t part = 0; part < parts.size(); ++part) {
    const std::vector<size_t> hull = HullOf(parts[part]);
    for (size_t i = 1; i < hull.size(); ++i) {
      const BudgetOption &from = parts[part].options[hull[i - 1]], &to = parts[part].options[hull[i]];
      steps.push_back({part, hull[i], to.bits - from.bits, from.loss - to.loss});
    }
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.rate() > b.rate(); });
  return steps;
}

std::vector<size_t> Cheapest(std::span<const BudgetPart> parts) {
  std::vector<size_t> choice;
  for (const BudgetPart& part : parts) choice.push_back(HullOf(part).front());
  return choice;
}

}  // namespace

BudgetPoint PointOf(std::span<const BudgetPart> parts, std::vector<size_t> choice) {
  OCTET_CHECK(choice.size() == parts.size());
  BudgetPoint point;
  for (size_t part = 0; part < parts.size(); ++part) {
    point.bits += parts[part].options[choice[part]].bits;
    point.loss += parts[part].options[choice[part]].loss;
  }
  point.choice = std::move(choice);
  return point;
}

std::vector<BudgetPoint> TradeOff(std::span<const BudgetPart> parts) {
  std::vector<BudgetPoint> curve = {PointOf(parts, Cheapest(parts))};
  for (const Step& step : StepsOf(parts)) {
    std::vector<size_t> choice = curve.back().choice;
    choice[step.part] = step.option;
    curve.push_back(PointOf(parts, std::move(choice)));
  }
  return curve;
}

std::vector<size_t> ChooseWithinBits(std::span<const BudgetPart> parts, double bits) {
  BudgetPoint point = PointOf(parts, Cheapest(parts));
  if (point.bits > bits) return {};
  std::vector<bool> is_closed(parts.size());  // a step that didn't fit ends its part
  for (const Step& step : StepsOf(parts)) {
    if (is_closed[step.part]) continue;
    std::vector<size_t> choice = point.choice;
    choice[step.part] = step.option;
    BudgetPoint next = PointOf(parts, std::move(choice));
    if (next.bits > bits)
      is_closed[step.part] = true;
    else
      point = std::move(next);
  }
  return point.choice;
}

}  // namespace octet
