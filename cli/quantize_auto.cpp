#include "cli/quantize_auto.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/atomic_file.h"
#include "base/svg_plot.h"
#include "quantize/choice_search.h"

namespace octet::cli {
namespace {

constexpr size_t kLinesOfCurve = 12;

// Points of the curve at even distances in bits.
std::vector<const BudgetPoint*> Sample(const std::vector<BudgetPoint>& curve) {
  std::vector<const BudgetPoint*> points;
  const double first = curve.front().bits, step = (curve.back().bits - first) / kLinesOfCurve;
  for (const BudgetPoint& point : curve) {
    if (points.empty() || point.bits >= first + step * static_cast<double>(points.size())) points.push_back(&point);
  }
  if (points.back() != &curve.back()) points.push_back(&curve.back());
  return points;
}

std::string CurveTable(const MixedPrecision& mixed) {
  const double weights = static_cast<double>(mixed.weights());
  std::string text = fmt::format("{:>8}  {:>13}\n", "bits", "predicted KL");
  for (const BudgetPoint* point : Sample(mixed.curve))
    text += fmt::format("{:8.3f}  {:13.6f}\n", point->bits / weights, point->loss);
  return text;
}

// "3" and "attn.qkv" of "layers.3.attn.qkv".
std::pair<std::string, std::string> SplitSlot(const std::string& slot) {
  const size_t first = slot.find('.') + 1, second = slot.find('.', first);
  return {slot.substr(first, second - first), slot.substr(second + 1)};
}

// A line for each layer.
std::string LayerTable(const MixedPrecision& mixed) {
  const std::map<std::string, LayerChoice, std::less<>> choices = mixed.Choices();
  std::vector<std::string> kinds, layers;
  for (const MixedPart& part : mixed.parts) {
    const auto [layer, kind] = SplitSlot(part.slot);
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    if (layers.empty() || layers.back() != layer) layers.push_back(layer);
  }
  std::string text = fmt::format("{:>5}", "layer");
  for (const std::string& kind : kinds) text += fmt::format("  {:>12}", kind);
  for (const std::string& layer : layers) {
    text += fmt::format("\n{:>5}", layer);
    for (const std::string& kind : kinds) {
      const auto choice = choices.find(Cat("layers.", layer, ".", kind));
      text += fmt::format("  {:>12}", choice == choices.end() ? "kept" : Name(choice->second));
    }
  }
  return text + "\n";
}

// "nvfp4 everywhere", "mixed, margin 0.25".
std::string NameOf(const TriedChoice& tried, const MixedPrecision& mixed) {
  if (tried.margin) return fmt::format("mixed, margin {}", *tried.margin);
  return Cat(Name(mixed.candidates[mixed.parts.front().candidates[tried.choice.front()]]), " everywhere");
}

// What was measured whole, a line each.
std::string TriedTable(const MixedPrecision& mixed) {
  if (mixed.tried.empty()) return {};
  const std::string windows = mixed.tried_windows == 1 ? "one window" : Cat(mixed.tried_windows, " windows");
  std::string text = fmt::format("{:<22}{:>8}  {:>13}  KL on {} held back\n", "tried", "bits", "predicted KL", windows);
  for (const TriedChoice& tried : mixed.tried) {
    text += fmt::format("{:<22}{:8.4f}  {:13.6f}  {:.6f}\n", NameOf(tried, mixed), tried.bits, tried.predicted_kl,
                        tried.kl);
  }
  return text;
}

Json TriedJson(const MixedPrecision& mixed) {
  Json list = Json::array();
  for (const TriedChoice& tried : mixed.tried) {
    list.push_back({{"choice", NameOf(tried, mixed)},
                    {"margin", tried.margin ? Json(*tried.margin) : Json(nullptr)},
                    {"bits", tried.bits},
                    {"predicted_kl", tried.predicted_kl},
                    {"kl", tried.kl}});
  }
  return list;
}

// Matrices whose inputs are rounded to INT8 where nothing else is asked for (nn/linear.h).
size_t TakingInt8Inputs(const MixedPrecision& mixed) {
  return static_cast<size_t>(std::count_if(mixed.parts.begin(), mixed.parts.end(), [&](const MixedPart& part) {
    const std::optional<Encoding> encoding = mixed.candidates[part.candidates[part.chosen]].encoding;
    return encoding == Encoding::kInt4 || encoding == Encoding::kInt8;
  }));
}

std::string InputsLine(const MixedPrecision& mixed) {
  const size_t rounded = TakingInt8Inputs(mixed);
  if (rounded == 0) return "inputs: of no matrix rounded when it runs, unless --activations asks for it\n";
  return fmt::format(
      "inputs: of {} of the {} matrices, in INT4 or INT8, rounded to INT8 when it runs; --activations "
      "bf16 leaves them, as all that is measured here does\n",
      rounded, mixed.parts.size());
}

}  // namespace

Status CheckPlot(const BudgetFlags& flags, const std::filesystem::path& output) {
  if (flags.plot.empty()) return {};
  if (flags.plot.extension() != ".svg" || std::filesystem::is_directory(flags.plot)) {
    return Fail(ErrorCode::kInvalidArgument, "--plot ", flags.plot,
                " is replaced by an SVG file; give a name that ends in .svg");
  }
  const std::filesystem::path plot = std::filesystem::weakly_canonical(std::filesystem::absolute(flags.plot));
  const std::filesystem::path directory = std::filesystem::weakly_canonical(std::filesystem::absolute(output));
  if (plot.parent_path() != directory) return {};
  return Fail(ErrorCode::kInvalidArgument, "--plot ", flags.plot,
              " is in the directory of -o, which holds the model alone; "
              "put it beside");
}

Status CheckBudget(const BudgetFlags& flags, const Recipe& recipe) {
  const std::filesystem::path directory = flags.plot.has_parent_path() ? flags.plot.parent_path() : ".";
  if (std::error_code ignored; !std::filesystem::is_directory(directory, ignored)) {
    return Fail(ErrorCode::kInvalidArgument, "--plot ", flags.plot, ": there is no directory ", directory);
  }
  const bool has_budget = flags.bits || flags.max_kl;
  if (recipe.is_mixed && flags.bits && flags.max_kl) {
    return Fail(ErrorCode::kInvalidArgument, "--bits and --max-kl are both given; one of them is the budget");
  }
  if (recipe.is_mixed && !has_budget) {
    return Fail(ErrorCode::kInvalidArgument, "recipe ", recipe.name, " needs a budget: --bits 4.5 or --max-kl 0.01");
  }
  if (recipe.is_mixed || (!has_budget && flags.plot.empty())) return {};
  return Fail(ErrorCode::kInvalidArgument,
              flags.bits     ? "--bits"
              : flags.max_kl ? "--max-kl"
                             : "--plot",
              " is of recipe auto, ", recipe.name, " chooses nothing; leave it out, or give --to auto");
}

std::optional<double> MostBits(const BudgetFlags& flags, const Recipe& recipe) {
  constexpr double kBf16Bits = 16;
  if (!recipe.is_mixed) return std::nullopt;
  return std::min(flags.bits.value_or(kBf16Bits), kBf16Bits);
}

Result<std::optional<MixedPrecision>> ChooseByBudget(const Checkpoint& checkpoint, const BudgetFlags& flags,
                                                     const QuantizeRun& run, QuantizePlan& plan) {
  if (!plan.recipe->is_mixed) return std::optional<MixedPrecision>();
  MixedPrecision mixed = OCTET_TRY(MeasureSensitivity(checkpoint, plan, plan.windows, run));
  OCTET_TRY(ChoosePrecision({.bits = flags.bits, .max_kl = flags.max_kl}, mixed));
  if (flags.bits) OCTET_TRY(TryChoices(checkpoint, plan, plan.windows, *flags.bits, run, mixed));
  PrecisionChoices choices = plan.choices;
  choices.by_slot = mixed.Choices();
  QuantizePlan chosen = OCTET_TRY(PlanQuantization(checkpoint, *plan.recipe, std::move(choices)));
  plan.choices = std::move(chosen.choices);
  plan.map = std::move(chosen.map);
  return std::optional(std::move(mixed));
}

std::string MixedText(const MixedPrecision& mixed) {
  return LayerTable(mixed) + CurveTable(mixed) + TriedTable(mixed) +
         fmt::format("chosen: {:.4f} bits a weight of the layers' matrices, scales counted; predicted KL {:.6f}\n",
                     mixed.bits, mixed.predicted_kl) +
         InputsLine(mixed);
}

Status WritePlot(const BudgetFlags& flags, const MixedPrecision& mixed, std::optional<double> measured_kl) {
  if (flags.plot.empty()) return {};
  const double weights = static_cast<double>(mixed.weights());
  LineSeries curve{.name = "predicted"};
  for (const BudgetPoint& point : mixed.curve) curve.points.emplace_back(point.bits / weights, point.loss);
  LinePlot plot{.title = "KL divergence from the original by bits a weight",
                .x_label = "bits a weight of the layers' matrices, scales counted",
                .y_label = "KL divergence, nats a token",
                .log_y = true,
                .series = {std::move(curve)}};
  plot.series.push_back({.name = "chosen", .points = {{mixed.bits, mixed.predicted_kl}}, .is_joined = false});
  if (measured_kl)
    plot.series.push_back({.name = "measured there", .points = {{mixed.bits, *measured_kl}}, .is_joined = false});
  return WriteFileAtomically(flags.plot, PlotLines(plot));
}

Json MixedJson(const MixedPrecision& mixed) {
  const double weights = static_cast<double>(mixed.weights());
  Json curve = Json::array(), parts = Json::array();
  for (const BudgetPoint& point : mixed.curve)
    curve.push_back({{"bits", point.bits / weights}, {"predicted_kl", point.loss}});
  for (const MixedPart& part : mixed.parts) {
    Json options = Json::array();
    for (size_t i = 0; i < part.candidates.size(); ++i) {
      const BudgetOption& option = part.options.options[i];
      options.push_back({{"precision", Name(mixed.candidates[part.candidates[i]])},
                         {"bits", option.bits / static_cast<double>(part.weights)},
                         {"predicted_kl", option.loss}});
    }
    for (const MeasuredOption& measured : part.measured) options[measured.option]["measured_kl"] = measured.kl;
    parts.push_back({{"matrix", part.slot},
                     {"weights", part.weights},
                     {"chosen", Name(mixed.candidates[part.candidates[part.chosen]])},
                     {"options", std::move(options)}});
  }
  return {{"bits", mixed.bits},
          {"predicted_kl", mixed.predicted_kl},
          {"int8_inputs", TakingInt8Inputs(mixed)},
          {"tried_windows", mixed.tried_windows},
          {"tried", TriedJson(mixed)},
          {"curve", std::move(curve)},
          {"matrices", std::move(parts)}};
}

}  // namespace octet::cli
