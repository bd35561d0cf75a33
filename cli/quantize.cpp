// `octet quantize`: a checkpoint in fewer bits, as a Hugging Face directory that other programs read too.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/mapped_file.h"
#include "cli/verb.h"
#include "eval/compare.h"
#include "eval/decoder_model.h"
#include "formats/staged_directory.h"
#include "models/hf_config.h"
#include "quantize/calibration.h"
#include "quantize/quantize.h"
#include "text/open_tokenizer.h"

namespace octet::cli {
namespace {

struct QuantizeOptions {
  std::string to;
  std::filesystem::path output;
  std::optional<std::string> group;
  std::optional<std::string> head;
  std::vector<std::string> keep;
  std::filesystem::path calibrate;
  std::optional<int> windows;
  std::string gate;
  int threads = 0;
  bool list = false;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&QuantizeOptions::to, "to", "recipe; --list shows them", Takes{"RECIPE"});
    visit(&QuantizeOptions::output, "output", "directory to write; one that octet made is replaced", Takes{"DIR"},
          Short{'o'});
    visit(&QuantizeOptions::group, "group",
          "of INT4: inputs that share a scale, 32 unless given; fewer lose less and take more memory",
          OneOf{{"32", "64", "128"}});
    visit(&QuantizeOptions::head, "head",
          "precision of the output head, bf16 unless given; fewer bits save memory and cost quality",
          OneOf{{"bf16", "fp8", "nvfp4", "int8", "int4"}});
    visit(&QuantizeOptions::keep, "keep", "tensors or modules that stay as they are, with * and ?; may be repeated",
          Takes{"PATTERNS"}, SplitAtCommas{});
    visit(
        &QuantizeOptions::calibrate, "calibrate",
        "text that recipes which need it are calibrated on, and --gate measures on its first 20 windows of 512 tokens");
    visit(&QuantizeOptions::windows, "windows",
          "of 512 tokens to calibrate on, 128 unless given; fewer where the text ends", Between{1, 1 << 20});
    visit(&QuantizeOptions::gate, "gate",
          "exit with 1 where the mean KL divergence from the original is above X, in nats", Takes{"kl=X"});
    visit(&QuantizeOptions::threads, "threads", "threads to use; 0: one a core", Between{0, 1024});
    visit(&QuantizeOptions::list, "list", "show the recipes and stop");
  }
};

Json RecipeList() {
  Json list = Json::array();
  for (const Recipe& recipe : Recipes()) {
    list.push_back({{"name", recipe.name},
                    {"alias", recipe.alias.empty() ? Json(nullptr) : Json(recipe.alias)},
                    {"bits_per_weight", recipe.bits_per_weight},
                    {"needs_calibration", recipe.rounds_inputs},
                    {"full_speed_tiers", recipe.full_speed_tiers},
                    {"readers", recipe.readers},
                    {"summary", recipe.summary}});
  }
  return list;
}

std::string RecipeTable() {
  constexpr const char* kLine = "{:<16}{:<6}{:<13}{:<38}{:<38}{}\n";
  std::string text =
      fmt::format(kLine, "recipe", "bits", "calibration", "tiers at full speed", "other readers", "what it is");
  for (const Recipe& recipe : Recipes()) {
    const std::string name = recipe.alias.empty() ? std::string(recipe.name) : Cat(recipe.name, ", ", recipe.alias);
    text += fmt::format(kLine, name, recipe.bits_per_weight, recipe.rounds_inputs ? "needed" : "no",
                        recipe.full_speed_tiers, recipe.readers, recipe.summary);
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
  text +=
      fmt::format("{:.1f} MB, {:.3f} of BF16; {}\n", static_cast<double>(report.weight_bytes) / 1e6, report.ratio(),
                  std::isinf(report.mean_decibels) ? "the codes are exact"
                                                   : fmt::format("signal to noise {:.1f} dB", report.mean_decibels));
  if (report.calibration_tokens != 0) text += fmt::format("inputs' scales from {} tokens\n", report.calibration_tokens);
  if (report.ragged != 0) {
    const auto ragged = std::find_if(report.tensors.begin(), report.tensors.end(),
                                     [](const QuantizedTensor& tensor) { return tensor.precision.is_ragged(); });
    text += fmt::format("rows of {} {} end in a group of fewer than {} inputs, which compressed-tensors doesn't read\n",
                        report.ragged, report.ragged == 1 ? "matrix" : "matrices", ragged->precision.group);
  }
  return text;
}

// The limit of `kl=X`.
Result<std::optional<double>> GateLimit(const QuantizeOptions& options, const Recipe& recipe) {
  if (options.calibrate.empty() && recipe.rounds_inputs) {
    return Fail(ErrorCode::kInvalidArgument, "recipe ", recipe.name,
                " needs a text like those that the model will see: --calibrate FILE, 64,000 tokens are enough");
  }
  if (!recipe.rounds_inputs && options.gate.empty() != options.calibrate.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                options.gate.empty()
                    ? Cat("recipe ", options.to, " needs no calibration; --calibrate is read together with --gate only")
                    : "--gate needs a text to measure on: --calibrate FILE");
  }
  if (options.gate.empty()) return std::nullopt;
  constexpr std::string_view kKind = "kl=";
  double limit = 0;
  const char* end = options.gate.data() + options.gate.size();
  const bool known = options.gate.starts_with(kKind);
  const std::from_chars_result parsed = std::from_chars(options.gate.data() + (known ? kKind.size() : 0), end, limit);
  if (!known || parsed.ec != std::errc() || parsed.ptr != end || !(limit >= 0)) {
    return Fail(ErrorCode::kInvalidArgument, "--gate: `", options.gate,
                "` is not kl=X with X a divergence in nats, as in kl=0.05");
  }
  return limit;
}

constexpr size_t kGateContext = 512, kGateWindows = 20;

// The text that the gate measures on. All that the measurement needs is looked for here, since it comes last, after
// what may be hours of work.
Result<std::string> ReadGateText(const Checkpoint& checkpoint, const QuantizeOptions& options) {
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  if (spec.max_positions < kGateContext) {
    return Fail(ErrorCode::kInvalidArgument, checkpoint.path, ": has a context of ", spec.max_positions,
                " tokens, --gate measures on windows of ", kGateContext,
                "; leave --gate out and use `octet eval compare` with a smaller --context");
  }
  std::string content = OCTET_TRY(ReadTextFile(options.calibrate));
  const Tokenizer tokenizer = OCTET_TRY(OpenTokenizer(checkpoint.path));
  const size_t tokens = tokenizer.Encode(content, {.add_special = false, .parse_special = false}).size();
  if (tokens < kGateContext) {
    return Fail(ErrorCode::kInvalidArgument, options.calibrate, ": has ", tokens, " tokens, --gate needs ",
                kGateContext, " or more; give a longer text");
  }
  return content;
}

Status Calibrate(const Checkpoint& checkpoint, const QuantizeOptions& options, const QuantizeRun& run,
                 QuantizePlan& plan) {
  const CalibrationText text = OCTET_TRY(ReadCalibrationText(
      checkpoint, options.calibrate, {.windows = static_cast<size_t>(options.windows.value_or(128))}));
  plan.inputs = OCTET_TRY(MeasureInputs(checkpoint, text, run));
  plan.calibration_tokens = TokensOf(text);
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
  return {.layers = recipe.encoding,
          .group = !options.group || *options.group == "32" ? size_t{32}
                   : *options.group == "64"                 ? size_t{64}
                                                            : size_t{128},
          .head = HeadEncoding(options, recipe),
          .keep = options.keep};
}

// How far the result's predictions are from the original's, activations rounded but for recipes that leave them in
// BF16.
Result<Comparison> Measure(const std::string& content, const QuantizeOptions& options, const Recipe& recipe,
                           ThreadPool& pool, Invocation& call) {
  DecoderModelOptions model{.context = kGateContext, .cancel = &call.cancel()};
  const std::unique_ptr<DecoderModel> a = OCTET_TRY(DecoderModel::Open(call.word(0), model, pool));
  model.activations = IsE4M3(recipe.encoding)               ? nn::ActivationMode::kE4M3
                      : recipe.rounds_inputs                ? nn::ActivationMode::kNvfp4
                      : recipe.encoding == Encoding::kNvfp4 ? nn::ActivationMode::kBf16
                                                            : nn::ActivationMode::kInt8;
  const std::unique_ptr<DecoderModel> b = OCTET_TRY(DecoderModel::Open(options.output, model, pool));
  const EvaluationText text = OCTET_TRY(a->Tokenize(content, {.context = kGateContext, .chunks = kGateWindows}));
  return CompareModels(*a, *b, text, {pool, call.progress(), call.cancel()});
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
  const std::pair<bool, std::string_view> others[] = {{!call.words().empty(), "MODEL"},
                                                      {!options.to.empty(), "--to"},
                                                      {!options.output.empty(), "--output"},
                                                      {options.group.has_value(), "--group"},
                                                      {options.head.has_value(), "--head"},
                                                      {!options.keep.empty(), "--keep"},
                                                      {!options.calibrate.empty(), "--calibrate"},
                                                      {options.windows.has_value(), "--windows"},
                                                      {!options.gate.empty(), "--gate"}};
  for (const auto& [given, name] : others) {
    if (given) return Fail(ErrorCode::kInvalidArgument, "--list shows the recipes and stops; leave ", name, " out");
  }
  return {};
}

Status CheckTaken(const QuantizeOptions& options, const Recipe& recipe) {
  if (options.windows && !recipe.rounds_inputs) {
    return Fail(ErrorCode::kInvalidArgument, "--windows is of calibration, which recipe ", recipe.name,
                " doesn't need; leave it out");
  }
  if (!options.group || recipe.encoding == Encoding::kInt4 || HeadEncoding(options, recipe) == Encoding::kInt4)
    return {};
  return Fail(ErrorCode::kInvalidArgument, "--group is of INT4, recipe ", recipe.name,
              " has none to choose; leave it out, or give --to int4 or --head int4");
}

Status Quantize(const QuantizeOptions& options, Invocation& call) {
  if (options.list) OCTET_TRY(CheckList(options, call));
  if (options.list) return call.json() ? call.PrintJson(RecipeList()) : call.Print(RecipeTable());
  OCTET_TRY(CheckGiven(options, call));
  const Recipe* recipe = OCTET_TRY(FindRecipe(options.to));
  OCTET_TRY(CheckTaken(options, *recipe));
  const std::optional<double> gate = OCTET_TRY(GateLimit(options, *recipe));
  const Checkpoint checkpoint = OCTET_TRY(Checkpoint::Open(call.word(0)));
  // Before minutes of calibration.
  if (!options.calibrate.empty()) OCTET_TRY(StagedDirectory::Check(options.output, options.calibrate));
  OCTET_TRY(StagedDirectory::Check(options.output, checkpoint.path));
  QuantizePlan plan = OCTET_TRY(PlanQuantization(checkpoint, *recipe, Choices(options, *recipe)));
  std::string gate_text;
  if (gate) gate_text = OCTET_TRY(ReadGateText(checkpoint, options));
  const size_t threads = options.threads > 0 ? static_cast<size_t>(options.threads) : ThreadPool::AvailableCores();
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(threads));
  const QuantizeRun run{*pool, call.progress(), call.cancel()};
  if (recipe->rounds_inputs) OCTET_TRY(Calibrate(checkpoint, options, run, plan));
  const QuantizeReport report = OCTET_TRY(QuantizeCheckpoint(checkpoint, plan, options.output, run));
  Json json = ToJson(report);
  std::string text = ReportTable(report);
  if (gate) {
    const Comparison measured = OCTET_TRY(Measure(gate_text, options, *recipe, *pool, call));
    json["gate"] = {{"kl_mean", measured.kl_mean}, {"limit", *gate}, {"top1", measured.top1}};
    text += fmt::format("KL divergence {:.6f}, limit {}\n", measured.kl_mean, *gate);
    if (measured.kl_mean > *gate)
      call.FailGate(fmt::format("octet quantize: KL divergence {:.6f} is above the limit {}", measured.kl_mean, *gate));
  }
  return call.json() ? call.PrintJson(json) : call.Print(text);
}

const RegisterVerb kQuantize(
    MakeVerb<QuantizeOptions>({.name = "quantize",
                               .words = "[MODEL]",
                               .summary = "a model in fewer bits, as a Hugging Face directory",
                               .example = "octet quantize build/models/bf16 --to fp8 -o build/models/fp8"},
                              Quantize));

}  // namespace
}  // namespace octet::cli
