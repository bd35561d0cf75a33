#include "quantize/choice_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/choice_trial.h"

namespace octet {
namespace {

constexpr double kMargins[] = {0.5, 1, 2};

std::vector<BudgetPart> PartsOf(const MixedPrecision& mixed) {
  std::vector<BudgetPart> parts;
  for (const MixedPart& part : mixed.parts) parts.push_back(part.options);
  return parts;
}

// The option of each part that is this candidate; empty where a part has none.
std::vector<size_t> UniformChoice(const MixedPrecision& mixed, size_t candidate) {
  std::vector<size_t> choice;
  for (const MixedPart& part : mixed.parts) {
    const auto found = std::find(part.candidates.begin(), part.candidates.end(), candidate);
    if (found == part.candidates.end()) return {};
    choice.push_back(static_cast<size_t>(found - part.candidates.begin()));
  }
  return choice;
}

// What an option is taken to lose where another than the base's has to earn its place.
double DoubtedLoss(const BudgetOption& option, const BudgetOption& base, double margin) {
  const double more = option.loss - base.loss;
  if (more > 0) return base.loss + more * (1 + margin);
  if (option.bits > base.bits) return base.loss + more / (1 + margin);
  // Nothing is gained for nothing: the base goes before another of as many bits.
  const double infinity = std::numeric_limits<double>::infinity();
  return option.bits == base.bits ? std::nextafter(base.loss, infinity) : base.loss;
}

Result<double> DivergenceOf(const Checkpoint& checkpoint, const QuantizePlan& plan, const MixedPrecision& mixed,
                            ChoiceTrial& trial) {
  PrecisionChoices choices = plan.choices;
  choices.by_slot = mixed.Choices();
  return trial.Divergence(OCTET_TRY(PlanQuantization(checkpoint, *plan.recipe, std::move(choices))));
}

}  // namespace

std::vector<size_t> BestUniform(const MixedPrecision& mixed, double bits) {
  const std::vector<BudgetPart> parts = PartsOf(mixed);
  std::vector<size_t> best;
  double least = std::numeric_limits<double>::infinity();
  for (size_t candidate = 0; candidate < mixed.candidates.size(); ++candidate) {
    std::vector<size_t> choice = UniformChoice(mixed, candidate);
    if (choice.empty() || !mixed.candidates[candidate].encoding) continue;
    const BudgetPoint point = PointOf(parts, std::move(choice));
    if (point.bits > bits * static_cast<double>(mixed.weights()) || point.loss >= least) continue;
    least = point.loss;
    best = point.choice;
  }
  return best;
}

std::vector<size_t> ChooseWithMargin(const MixedPrecision& mixed, std::span<const size_t> base, double margin,
                                     double bits) {
  std::vector<BudgetPart> parts = PartsOf(mixed);
  for (size_t i = 0; i < parts.size(); ++i) {
    const BudgetOption of_base = parts[i].options[base[i]];
    for (size_t option = 0; option < parts[i].options.size(); ++option) {
      BudgetOption& other = parts[i].options[option];
      if (option != base[i]) other.loss = DoubtedLoss(other, of_base, margin);
    }
  }
  return ChooseWithinBits(parts, bits * static_cast<double>(mixed.weights()));
}

Status TryChoices(const Checkpoint& checkpoint, const QuantizePlan& plan, const CalibrationText& windows, double bits,
                  const QuantizeRun& run, MixedPrecision& mixed) {
  const std::vector<size_t> base = BestUniform(mixed, bits);
  if (base.empty()) return {};
  std::vector<TriedChoice> tried = {{.choice = base}};
  for (const double margin : kMargins) {
    TriedChoice next{.margin = margin, .choice = ChooseWithMargin(mixed, base, margin, bits)};
    const bool is_known =
        std::any_of(tried.begin(), tried.end(), [&](const TriedChoice& one) { return one.choice == next.choice; });
    if (!is_known) tried.push_back(std::move(next));
  }
  if (tried.size() == 1) return {};
  ChoiceTrial trial = OCTET_TRY(ChoiceTrial::Start(checkpoint, windows, run));
  run.progress.Begin("try choices", trial.tokens() * tried.size(), "tokens");
  const std::vector<BudgetPart> parts = PartsOf(mixed);
  for (TriedChoice& one : tried) {
    const BudgetPoint point = PointOf(parts, one.choice);
    mixed.Choose(point);
    one.bits = mixed.bits;
    one.predicted_kl = mixed.predicted_kl;
    one.kl = OCTET_TRY(DivergenceOf(checkpoint, plan, mixed, trial));
  }
  run.progress.End();
  const auto best = std::min_element(tried.begin(), tried.end(),
                                     [](const TriedChoice& a, const TriedChoice& b) { return a.kl < b.kl; });
  mixed.Choose(PointOf(parts, best->choice));
  mixed.tried_windows = trial.held_out_windows();
  mixed.tried = std::move(tried);
  return {};
}

}  // namespace octet
