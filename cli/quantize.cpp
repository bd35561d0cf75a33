// `octet quantize`: a checkpoint in fewer bits, as a Hugging Face directory that other programs read too.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "cli/quantize_auto.h"
#include "cli/quantize_calibration.h"
#include "cli/quantize_kv.h"
#include "cli/quantize_report.h"
#include "cli/quantize_source.h"
#include "cli/verb.h"
#include "formats/staged_directory.h"
#include "quantize/calibration.h"
#include "quantize/quantize.h"
#include "quantize/worst_tensors.h"

namespace octet::cli {
namespace {

struct QuantizeOptions {
  std::string to;
  std::filesystem::path output;
  std::optional<std::string> group;
  std::optional<std::string> head;
  std::optional<std::string> dialect;
  std::vector<std::string> keep;
  bool requantize = false;
  std::filesystem::path calibrate;
  std::optional<int> windows;
  std::optional<int> window_length;
  std::optional<std::string> act_order;
  ObserverFlags observer;
  BudgetFlags budget;
  KvFlags kv;
  ReportFlags report;
  std::optional<int> threads;
  bool list = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&QuantizeOptions::to, "to", "recipe; --list shows them", Takes{"RECIPE"});
    visit(&QuantizeOptions::output, "output", "directory to write; one that octet made is replaced", Takes{"DIR"},
          Short{'o'});
    visit(&QuantizeOptions::group, "group",
          "of INT4: inputs that share a scale, 32 unless given, of w4a8 128; fewer lose less and take more memory",
          OneOf{{"32", "64", "128"}});
    visit(&QuantizeOptions::head, "head",
          "precision of the output head, bf16 unless given; fewer bits save memory and cost quality",
          OneOf{{"bf16", "fp8", "nvfp4", "int8", "int4"}});
    visit(&QuantizeOptions::dialect, "dialect",
          "names and layouts of the result, compressed-tensors unless given: for vLLM and transformers, or for "
          "TensorRT-LLM",
          OneOf{{"compressed-tensors", "modelopt"}});
    visit(&QuantizeOptions::keep, "keep",
          "tensors or modules that stay as they are, with * and ?; may be repeated; none: not even what int8 leaves of "
          "an "
          "encoder",
          Takes{"PATTERNS"}, SplitAtCommas{});
    visit(&QuantizeOptions::requantize, "requantize",
          "take a model that is quantised, and decode it first; what it lost stays lost, and more comes on top");
    visit(&QuantizeOptions::calibrate, "calibrate",
          "text, or samples in a .jsonl, that recipes which take one are calibrated on");
    visit(&QuantizeOptions::windows, "windows", "to calibrate on, 128 unless given; fewer where the text ends",
          Between{1, 1 << 20});
    visit(&QuantizeOptions::window_length, "window-length",
          "tokens of a window of calibration and comparison, 512 unless given", Between{2, 1 << 20});
    visit(&QuantizeOptions::act_order, "act-order",
          "of compensated codes: on, inputs with the largest squares are rounded first; off, in the file's order; on "
          "unless given",
          OneOf{{"on", "off"}});
    visit(&QuantizeOptions::observer);
    visit(&QuantizeOptions::budget);
    visit(&QuantizeOptions::kv);
    visit(&QuantizeOptions::report);
    visit(&QuantizeOptions::threads, "threads", "threads to use; 0, or not given: one a core", Between{0, 1024});
    visit(&QuantizeOptions::list, "list", "show the recipes and stop");
  }
};

Json RecipeList() {
  Json list = Json::array();
  for (const Recipe& recipe : Recipes()) {
    list.push_back({{"name", recipe.name},
                    {"alias", recipe.alias.empty() ? Json(nullptr) : Json(recipe.alias)},
                    {"bits_per_weight", recipe.is_mixed ? Json(nullptr) : Json(recipe.bits_per_weight)},
                    {"needs_calibration", recipe.needs_calibration()},
                    {"takes_calibration", recipe.takes_calibration()},
                    {"full_speed_tiers", recipe.full_speed_tiers},
                    {"readers", recipe.readers},
                    {"summary", recipe.summary}});
  }
  return list;
}

const char* CalibrationWord(const Recipe& recipe) {
  return recipe.needs_calibration() ? "needed" : recipe.takes_calibration() ? "possible" : "no";
}

std::string RecipeTable() {
  constexpr const char* kLine = "{:<18}{:<7}{:<13}{:<38}{:<38}{}\n";
  std::string text =
      fmt::format(kLine, "recipe", "bits", "calibration", "tiers at full speed", "other readers", "what it is");
  for (const Recipe& recipe : Recipes()) {
    const std::string name = recipe.alias.empty() ? std::string(recipe.name) : Cat(recipe.name, ", ", recipe.alias);
    const std::string bits = recipe.is_mixed ? "budget" : fmt::format("{}", recipe.bits_per_weight);
    text += fmt::format(kLine, name, bits, CalibrationWord(recipe), recipe.full_speed_tiers, recipe.readers,
                        recipe.summary);
  }
  return text;
}

// The precision map, shortened to one line for each kind of tensor: layers differ by number alone.
std::string ReportTable(const QuantizeReport& report) {
  struct Group {
    size_t tensors = 0;
    uint64_t weights = 0;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const QuantizedTensor& tensor : report.tensors) {
    Group& group = groups[{tensor.precision.precision(), tensor.precision.reason}];
    ++group.tensors;
    group.weights += ElementCount(tensor.precision.shape).value_or(0);
  }
  std::string text = fmt::format("{:<13}{:>8}{:>15}  {}\n", "precision", "tensors", "weights", "why");
  for (const auto& [kind, group] : groups) {
    text += fmt::format("{:<13}{:>8}{:>15}  {}\n", kind.first, group.tensors, group.weights, kind.second);
  }
  const std::vector<const QuantizedTensor*> worst = WorstTensors(report, kWorstTensors);
  text += fmt::format(
      "{:.1f} MB, {:.3f} of BF16; {}\n", static_cast<double>(report.weight_bytes) / 1e6, report.ratio(),
      worst.empty() ? "the codes are exact" : fmt::format("signal to noise {:.1f} dB, least in", report.mean_decibels));
  for (const QuantizedTensor* tensor : worst)
    text += fmt::format("{:10.1f} dB  {}\n", tensor->decibels, tensor->precision.name);
  text += CalibrationLines(report);
  if (!report.decoded_from.empty()) {
    text +=
        fmt::format("the original was quantised ({}) and decoded first; it is what was decoded that is compared with\n",
                    report.decoded_from);
  }
  if (report.ragged != 0) {
    const auto ragged = std::find_if(report.tensors.begin(), report.tensors.end(),
                                     [](const QuantizedTensor& tensor) { return tensor.precision.is_ragged(); });
    text += fmt::format("rows of {} {} end in a group of fewer than {} inputs, which {} doesn't read\n", report.ragged,
                        report.ragged == 1 ? "matrix" : "matrices", ragged->precision.group,
                        ReaderOf(report.choices.dialect));
  }
  return text;
}

// What is calibrated on and what is measured on; read before hours of work.
struct Texts {
  CalibrationText calibration;  // empty where the recipe takes none
  HeldOutText held_out;
};

// The windows that are calibrated on come first in --calibrate's file; those behind them are never seen.
Result<Texts> ReadTexts(const Checkpoint& checkpoint, const QuantizeOptions& options, const Recipe& recipe) {
  const size_t calibrated =
      recipe.takes_calibration() || options.kv.rounds() ? static_cast<size_t>(options.windows.value_or(128)) : 0;
  const size_t context = static_cast<size_t>(options.window_length.value_or(0));
  Texts texts;
  CalibrationText left_over;
  if (!options.calibrate.empty()) {
    const size_t held_out = options.report.text.empty() ? HeldOutWindows(options.report) : 0;
    texts.calibration = OCTET_TRY(
        ReadCalibrationText(checkpoint, options.calibrate, {.windows = calibrated + held_out, .context = context}));
    const size_t end = std::min(calibrated, texts.calibration.size());
    const auto rest = texts.calibration.begin() + static_cast<std::ptrdiff_t>(end);
    left_over.assign(rest, texts.calibration.end());
    texts.calibration.erase(rest, texts.calibration.end());
  }
  texts.held_out =
      OCTET_TRY(FindHeldOutText(checkpoint, options.report, context, options.calibrate, std::move(left_over)));
  return texts;
}

// Ranges of the inputs now, or windows for codes that are chosen layer by layer.
Status Calibrate(const Checkpoint& checkpoint, CalibrationText windows, const QuantizeRun& run, QuantizePlan& plan) {
  plan.calibration_tokens = TokensOf(windows);
  plan.window_length = windows.empty() ? 0 : windows.front().size();
  if (plan.recipe->calibration == Calibration::kNone) {
    const MeasureOptions options{.observer = plan.choices.observer,
                                 .layers = plan.choices.layers,
                                 .head = plan.choices.head.value_or(plan.choices.layers)};
    plan.inputs = OCTET_TRY(MeasureInputs(checkpoint, windows, options, run));
  } else {
    plan.windows = std::move(windows);
  }
  return {};
}

// --head fp8 of a recipe in blocks is in blocks, too.
std::optional<Encoding> HeadEncoding(const QuantizeOptions& options, const Recipe& recipe) {
  if (options.head && IsE4M3(recipe.encoding) && *options.head == Name(recipe.encoding)) return recipe.encoding;
  for (const Encoding encoding : {Encoding::kE4M3, Encoding::kNvfp4, Encoding::kInt8, Encoding::kInt4}) {
    if (options.head && *options.head == Name(encoding)) return encoding;
  }
  return std::nullopt;
}

PrecisionChoices Choices(const QuantizeOptions& options, const Recipe& recipe) {
  const bool keeps_none = options.keep == std::vector<std::string>{"none"};
  return {.layers = recipe.encoding,
          .group = !options.group           ? recipe.group
                   : *options.group == "32" ? size_t{32}
                   : *options.group == "64" ? size_t{64}
                                            : size_t{128},
          .head = HeadEncoding(options, recipe),
          .dialect = options.dialect == "modelopt" ? Dialect::kModelOpt : Dialect::kCompressedTensors,
          .rounds_by_size = options.act_order != "off",
          .keep = keeps_none ? std::vector<std::string>() : options.keep,
          .keeps_encoder_down = !keeps_none};
}

Status CheckGiven(const QuantizeOptions& options, const Invocation& call) {
  const char* missing = call.words().empty()     ? "MODEL"
                        : options.to.empty()     ? "--to RECIPE"
                        : options.output.empty() ? "-o DIR"
                                                 : nullptr;
  if (missing == nullptr) return {};
  return Fail(ErrorCode::kInvalidArgument, missing, " is missing; `octet quantize --help` explains it");
}

// --list stands alone.
Status CheckList(const QuantizeOptions& options, const Invocation& call) {
  const bool for_all_verbs = std::getenv("OCTET_THREADS") != nullptr;  // which says nothing of this one
  const std::pair<bool, std::string_view> others[] = {{!call.words().empty(), "MODEL"},
                                                      {!options.to.empty(), "--to"},
                                                      {!options.output.empty(), "--output"},
                                                      {options.group.has_value(), "--group"},
                                                      {options.head.has_value(), "--head"},
                                                      {options.dialect.has_value(), "--dialect"},
                                                      {!options.keep.empty(), "--keep"},
                                                      {options.requantize, "--requantize"},
                                                      {!options.calibrate.empty(), "--calibrate"},
                                                      {options.windows.has_value(), "--windows"},
                                                      {options.window_length.has_value(), "--window-length"},
                                                      {options.act_order.has_value(), "--act-order"},
                                                      {options.observer.observer.has_value(), "--observer"},
                                                      {options.observer.percentile.has_value(), "--percentile"},
                                                      {options.budget.bits.has_value(), "--bits"},
                                                      {options.budget.max_kl.has_value(), "--max-kl"},
                                                      {!options.budget.plot.empty(), "--plot"},
                                                      {options.kv.format.has_value(), "--kv"},
                                                      {options.kv.scales.has_value(), "--kv-scales"},
                                                      {!options.report.text.empty(), "--report-text"},
                                                      {options.report.windows.has_value(), "--report-windows"},
                                                      {!options.report.gate.empty(), "--gate"},
                                                      {options.threads && !for_all_verbs, "--threads"}};
  for (const auto& [given, name] : others) {
    if (given) return Fail(ErrorCode::kInvalidArgument, "--list shows the recipes and stops; leave ", name, " out");
  }
  return {};
}

Status CheckTaken(const QuantizeOptions& options, const Recipe& recipe) {
  if (recipe.needs_calibration() && options.calibrate.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "recipe ", recipe.name,
                " needs a text like those that the model will see: --calibrate FILE, 64,000 tokens are enough");
  }
  const bool gate_takes_text = !options.report.gate.empty() && options.report.text.empty();
  const bool takes_text = recipe.takes_calibration() || options.kv.rounds();
  if (!takes_text && !options.calibrate.empty() && !gate_takes_text) {
    return Fail(ErrorCode::kInvalidArgument, "recipe ", recipe.name,
                " needs no calibration; leave --calibrate out; the text to measure on is --report-text FILE");
  }
  if (options.windows && (!takes_text || options.calibrate.empty())) {
    return Fail(
        ErrorCode::kInvalidArgument, "--windows is of calibration, which recipe ", recipe.name,
        recipe.takes_calibration() ? " does with --calibrate FILE; give that too" : " doesn't need; leave it out");
  }
  const bool calibrates = takes_text && !options.calibrate.empty();
  if (options.window_length && !calibrates && HeldOutWindows(options.report) == 0) {
    return Fail(ErrorCode::kInvalidArgument, "--window-length is of calibration, which recipe ", recipe.name,
                " does none of here, and of the comparison, which --report-windows 0 leaves out; leave it out, too");
  }
  const bool compensates = recipe.search == Search::kCompensated && !options.calibrate.empty();
  if (options.act_order && !compensates) {
    return Fail(ErrorCode::kInvalidArgument,
                "--act-order is of codes that are compensated by calibration, which recipe ", recipe.name,
                " doesn't do here; leave it out, or give --to int4-gptq --calibrate FILE");
  }
  if (!options.group || recipe.encoding == Encoding::kInt4 || HeadEncoding(options, recipe) == Encoding::kInt4)
    return {};
  return Fail(ErrorCode::kInvalidArgument, "--group is of INT4, recipe ", recipe.name,
              " has none to choose; leave it out, or give --to int4 or --head int4");
}

// No file that is read may be replaced.
Status CheckOutput(const QuantizeOptions& options, const Checkpoint& checkpoint) {
  for (const std::filesystem::path& read : {options.calibrate, options.report.text}) {
    if (!read.empty()) OCTET_TRY(StagedDirectory::Check(options.output, read));
  }
  OCTET_TRY(CheckPlot(options.budget, options.output));
  return StagedDirectory::Check(options.output, checkpoint.path);
}

// A directory that is there, on the disk where the output will be: what memory doesn't hold lies beside what is
// written.
std::filesystem::path DirectoryNear(const std::filesystem::path& output) {
  std::error_code ignored;
  std::filesystem::path near = std::filesystem::weakly_canonical(std::filesystem::absolute(output, ignored), ignored);
  while (near.has_relative_path() && !std::filesystem::is_directory(near, ignored)) near = near.parent_path();
  return near;
}

// The report, with how far the result is from the original.
Status ShowResult(const QuantizeOptions& options, const QuantizeReport& report,
                  const std::optional<MixedPrecision>& mixed, const MeasuredResult& measured,
                  std::optional<double> limit, Invocation& call) {
  Json json = ToJson(report);
  if (mixed) json["auto"] = MixedJson(*mixed);
  OCTET_TRY(AddMeasurement(measured, limit, options.output, json));
  if (mixed) {
    OCTET_TRY(WritePlot(options.budget, *mixed,
                        measured.comparison ? std::optional(measured.comparison->kl_mean) : std::nullopt));
  }
  if (limit && measured.comparison->kl_mean > *limit) {
    call.FailGate(fmt::format("octet quantize: KL divergence {:.6f} is above the limit {}",
                              measured.comparison->kl_mean, *limit));
  }
  return call.json() ? call.PrintJson(json)
                     : call.Print(ReportTable(report) + (mixed ? MixedText(*mixed) : "") + KvText(report) +
                                  MeasurementText(measured));
}

Status Quantize(const QuantizeOptions& options, Invocation& call) {
  if (options.list) OCTET_TRY(CheckList(options, call));
  if (options.list) return call.json() ? call.PrintJson(RecipeList()) : call.Print(RecipeTable());
  OCTET_TRY(CheckGiven(options, call));
  const Recipe* recipe = OCTET_TRY(FindRecipe(options.to));
  OCTET_TRY(CheckTaken(options, *recipe));
  PrecisionChoices choices = Choices(options, *recipe);
  choices.observer = OCTET_TRY(ChooseObserver(options.observer, *recipe));
  OCTET_TRY(CheckBudget(options.budget, *recipe));
  OCTET_TRY(CheckKvFlags(options.kv, options.calibrate, choices.dialect));
  const std::optional<double> limit = OCTET_TRY(GateLimit(options.report));
  const QuantizeSource source = OCTET_TRY(OpenQuantizeSource(call.word(0), options.requantize));
  const Checkpoint& checkpoint = source.checkpoint;
  OCTET_TRY(CheckOutput(options, checkpoint));
  QuantizePlan plan = OCTET_TRY(PlanQuantization(checkpoint, *recipe, std::move(choices)));
  plan.decoded_from = source.decoded_from;
  Texts texts = OCTET_TRY(ReadTexts(checkpoint, options, *recipe));
  const int asked = options.threads.value_or(0);
  const size_t threads = asked > 0 ? static_cast<size_t>(asked) : ThreadPool::AvailableCores();
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(threads));
  OCTET_TRY(CheckMemory(checkpoint, plan, MostBits(options.budget, *recipe), *pool, texts.held_out));
  const QuantizeRun run{*pool, call.progress(), call.cancel(), DirectoryNear(options.output)};
  if (options.kv.rounds()) plan.kv = OCTET_TRY(CheckKv(checkpoint, texts.calibration, ToKvRounding(options.kv), run));
  if (recipe->takes_calibration() && !options.calibrate.empty())
    OCTET_TRY(Calibrate(checkpoint, std::move(texts.calibration), run, plan));
  const std::optional<MixedPrecision> mixed = OCTET_TRY(ChooseByBudget(checkpoint, options.budget, run, plan));
  const QuantizeReport report = OCTET_TRY(QuantizeCheckpoint(checkpoint, plan, options.output, run));
  const MeasuredResult measured =
      OCTET_TRY(MeasureResult(std::move(texts.held_out), checkpoint, options.output, *recipe, *pool, call));
  return ShowResult(options, report, mixed, measured, limit, call);
}

const RegisterVerb kQuantize(
    MakeVerb<QuantizeOptions>({.name = "quantize",
                               .words = "[MODEL]",
                               .summary = "a model in fewer bits, as a Hugging Face directory",
                               .example = "octet quantize build/models/bf16 --to fp8 -o build/models/fp8"},
                              Quantize));

}  // namespace
}  // namespace octet::cli
