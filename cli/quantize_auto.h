// What `octet quantize --to auto` adds: the budget, the measurement of what each matrix costs, and what is shown of it.
//
//   OCTET_TRY(CheckBudget(options.budget, recipe));
//   const std::optional<MixedPrecision> mixed = OCTET_TRY(ChooseByBudget(checkpoint, options.budget, run, plan));
//   call.Print(MixedText(*mixed));
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/options.h"
#include "quantize/mixed_precision.h"

namespace octet::cli {

struct BudgetFlags {
  std::optional<double> bits;
  std::optional<double> max_kl;
  std::filesystem::path plot;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&BudgetFlags::bits, "bits", "of auto: bits a weight that the layers' matrices take at most, scales counted",
          Between{1, 32});
    visit(&BudgetFlags::max_kl, "max-kl",
          "of auto: predicted KL divergence from the original that is allowed, in nats; as few bits as do",
          Between{0, 100});
    visit(&BudgetFlags::plot, "plot", "of auto: write the trade-off of bits against KL divergence as SVG",
          Takes{"FILE.svg"});
  }
};

// Fails with invalid_argument where the plot would replace a file that is none, or lie in the directory of the result.
Status CheckPlot(const BudgetFlags& flags, const std::filesystem::path& output);

// Fails with invalid_argument where auto has no budget or two, and where another recipe has one.
Status CheckBudget(const BudgetFlags& flags, const Recipe& recipe);

// What a weight of the layers' matrices takes at most, of a recipe that leaves their precision open.
std::optional<double> MostBits(const BudgetFlags& flags, const Recipe& recipe);

// Of a plan of recipe auto, whose windows are there: measures, chooses, and gives the plan the precision of each
// matrix. Nothing of another recipe. Fails as MeasureSensitivity, ChoosePrecision and PlanQuantization do.
Result<std::optional<MixedPrecision>> ChooseByBudget(const Checkpoint& checkpoint, const BudgetFlags& flags,
                                                     const QuantizeRun& run, QuantizePlan& plan);

// The trade-off in a few lines, the precision of each layer, and the point that was chosen.
std::string MixedText(const MixedPrecision& mixed);
Json MixedJson(const MixedPrecision& mixed);

// --plot, where it is given: the curve, the point that was chosen, and the divergence that was measured there, if one
// was. Fails as writing the file does.
Status WritePlot(const BudgetFlags& flags, const MixedPrecision& mixed, std::optional<double> measured_kl);

}  // namespace octet::cli
