#include "cli/quantize_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/counted.h"

namespace octet::cli {
namespace {

std::string AlphaLine(const MigrationStrengths& strengths) {
  std::vector<double> alphas;
  for (const auto& [slot, alpha] : strengths) {
    if (alpha) alphas.push_back(*alpha);
  }
  std::sort(alphas.begin(), alphas.end());
  std::string line =
      fmt::format("inputs of {} of {} divided", alphas.size(), Counted(strengths.size(), "matrix", "matrices"));
  if (!alphas.empty()) {
    line += fmt::format(", alpha {:.2f} to {:.2f}, half of them up to {:.2f}", alphas.front(), alphas.back(),
                        alphas[(alphas.size() - 1) / 2]);
  }
  return line + "\n";
}

}  // namespace

Result<ObserverChoice> ChooseObserver(const ObserverFlags& flags, const Recipe& recipe) {
  ObserverChoice choice;
  for (const Observer observer : {Observer::kPercentile, Observer::kMse, Observer::kEntropy}) {
    if (flags.observer == Name(observer)) choice.observer = observer;
  }
  if (flags.observer && !recipe.rounds_inputs) {
    return Fail(ErrorCode::kInvalidArgument, "--observer is of static scales of inputs, which recipe ", recipe.name,
                " has none of; leave it out, or give --to fp8-static or --to nvfp4");
  }
  if (flags.percentile && choice.observer != Observer::kPercentile) {
    return Fail(ErrorCode::kInvalidArgument, "--percentile is of --observer percentile, here it is ",
                flags.observer.value_or("amax"), "; give that observer, or leave --percentile out");
  }
  choice.percentile = flags.percentile.value_or(choice.percentile);
  return choice;
}

std::string CalibrationLines(const QuantizeReport& report) {
  if (report.calibration_tokens == 0) return "";
  std::string text = fmt::format("calibrated on {}", Counted(report.calibration_tokens, "token"));
  const ObserverChoice& choice = report.choices.observer;
  if (choice.observer != Observer::kAmax) text += fmt::format(", scales of inputs by {}", Name(choice.observer));
  if (choice.observer == Observer::kPercentile) text += fmt::format(" {}", choice.percentile);
  text += "\n";
  if (!report.calibrated.strengths.empty()) text += AlphaLine(report.calibrated.strengths);
  for (const std::string& slot : report.without_range) {
    text += fmt::format(
        "inputs of {} were always 0 on the text: their scale is 1, which is a guess; take another text, or --keep\n",
        slot);
  }
  return text;
}

}  // namespace octet::cli
