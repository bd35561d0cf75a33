// What `octet quantize` lets the user choose of a calibration, and how it tells what was chosen.
//
//   const ObserverChoice observer = OCTET_TRY(ChooseObserver(options.observer, *recipe));
//   call.Print(CalibrationLines(report));
#pragma once

#include <optional>
#include <string>

#include "base/options.h"
#include "quantize/quantize.h"

namespace octet::cli {

struct ObserverFlags {
  std::optional<std::string> observer;
  std::optional<double> percentile;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&ObserverFlags::observer, "observer",
          "how far static scales of inputs reach: the largest magnitude of the text, --percentile of all, the least "
          "squared error or the least Kullback-Leibler divergence; amax unless given",
          OneOf{{"amax", "percentile", "mse", "entropy"}});
    visit(&ObserverFlags::percentile, "percentile",
          "of the magnitudes that --observer percentile holds, 99.9 unless given; more cuts off less", Between{1, 100});
  }
};

// Fails with invalid_argument where the recipe has no such scales, and for a percentile that nothing asks for.
Result<ObserverChoice> ChooseObserver(const ObserverFlags& flags, const Recipe& recipe);

// Lines for a terminal: tokens, observer and SmoothQuant's alphas; empty where nothing was calibrated.
std::string CalibrationLines(const QuantizeReport& report);

}  // namespace octet::cli
