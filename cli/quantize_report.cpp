#include "cli/quantize_report.h"

#include <fmt/format.h>

#include <charconv>

#include "base/atomic_file.h"
#include "base/counted.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "cli/built_in_text.h"
#include "eval/decoder_model.h"
#include "models/hf_config.h"
#include "models/weights.h"
#include "quantize/tensor_output.h"

namespace octet::cli {
namespace {

constexpr size_t kUsualWindows = 20;
constexpr std::string_view kBuiltIn = "the built-in text";

// The files' own windows as the evaluation takes them: every token but a window's first is predicted.
EvaluationText ToEvaluationText(const CalibrationText& windows) {
  EvaluationText text;
  for (const std::vector<int32_t>& window : windows) text.ids.insert(text.ids.end(), window.begin(), window.end());
  text.plan = {.context = windows.front().size(), .score_from = 1, .count = windows.size()};
  return text;
}

nn::ActivationMode InputRounding(const Recipe& recipe) {
  if (IsE4M3(recipe.encoding) || recipe.takes_e4m3_inputs) return nn::ActivationMode::kE4M3;
  if (recipe.rounds_inputs) return nn::ActivationMode::kNvfp4;
  return recipe.encoding == Encoding::kNvfp4 ? nn::ActivationMode::kBf16 : nn::ActivationMode::kInt8;
}

std::string_view RoundingName(nn::ActivationMode mode) {
  switch (mode) {
    case nn::ActivationMode::kE4M3:
      return "fp8";
    case nn::ActivationMode::kNvfp4:
      return "nvfp4";
    case nn::ActivationMode::kInt8:
      return "int8";
    default:
      return "bf16";
  }
}

// A failure is the user's where they asked for the measurement, else a reason to leave it out.
Status SkipUnlessAsked(Error error, HeldOutText& text) {
  if (text.is_asked_for || error.code == ErrorCode::kCancelled) return tl::unexpected<Error>(std::move(error));
  text.why_not = std::move(error.message);
  text.windows.clear();
  return {};
}

Result<CalibrationText> ReadWindows(const Checkpoint& checkpoint, const ReportFlags& flags, size_t context) {
  CalibrationOptions options{.windows = HeldOutWindows(flags), .context = context};
  if (!flags.text.empty()) return ReadCalibrationText(checkpoint, flags.text, options);
  if (!flags.asks()) options.windows = 1;  // a second or two beside what quantising takes
  return CutCalibrationText(checkpoint, kBuiltInText, kBuiltIn, options);
}

Result<Comparison> CompareWithOriginal(const HeldOutText& text, const Checkpoint& original,
                                       const std::filesystem::path& output, nn::ActivationMode activations,
                                       ThreadPool& pool, Invocation& call) {
  const EvaluationText windows = ToEvaluationText(text.windows);
  DecoderModelOptions model{.context = windows.plan.context, .cancel = &call.cancel()};
  model.activations = nn::ActivationMode::kBf16;  // of codes, too, which are weights that are decoded then
  const std::unique_ptr<DecoderModel> a = OCTET_TRY(DecoderModel::Open(original.path, model, pool));
  model.activations = activations;
  const std::unique_ptr<DecoderModel> b = OCTET_TRY(DecoderModel::Open(output, model, pool));
  return CompareModels(*a, *b, windows, {pool, call.progress(), call.cancel()});
}

Result<uint64_t> BytesOfResult(PrecisionMap map, std::optional<double> most_bits) {
  double of_layers = 0;
  std::erase_if(map.tensors, [&](const TensorPrecision& tensor) {
    const bool is_open = most_bits && tensor.quantised() && tensor.joined != "head";
    if (is_open) of_layers += *most_bits / 8 * static_cast<double>(ElementCount(tensor.shape).value_or(0));
    return is_open;
  });
  uint64_t bytes = static_cast<uint64_t>(of_layers);
  for (const TensorSpec& tensor : OutputTensors(map)) bytes += OCTET_TRY(ByteSize(tensor));
  return bytes;
}

Json MeasurementJson(const MeasuredResult& measured) {
  if (!measured.comparison) return {{"text", nullptr}, {"why_not", measured.text.why_not}};
  const Comparison& comparison = *measured.comparison;
  return {{"text", measured.text.name},
          {"windows", measured.text.windows.size()},
          {"context", measured.text.windows.front().size()},
          {"tokens", comparison.a.tokens},
          {"activations", measured.activations},
          {"kl_mean", comparison.kl_mean},
          {"kl_p99", comparison.kl_p99},
          {"kl_max", comparison.kl_max},
          {"top1", comparison.top1},
          {"perplexity_original", comparison.a.perplexity},
          {"perplexity", comparison.b.perplexity}};
}

}  // namespace

Result<std::optional<double>> GateLimit(const ReportFlags& flags) {
  const bool measures_nothing = flags.windows && *flags.windows == 0;
  if (measures_nothing && (!flags.gate.empty() || !flags.text.empty())) {
    return Fail(ErrorCode::kInvalidArgument, "--report-windows 0 measures nothing; leave it or ",
                flags.gate.empty() ? "--report-text" : "--gate", " out");
  }
  if (flags.gate.empty()) return std::nullopt;
  constexpr std::string_view kKind = "kl=";
  double limit = 0;
  const char* end = flags.gate.data() + flags.gate.size();
  const bool known = flags.gate.starts_with(kKind);
  const std::from_chars_result parsed = std::from_chars(flags.gate.data() + (known ? kKind.size() : 0), end, limit);
  if (!known || parsed.ec != std::errc() || parsed.ptr != end || !(limit >= 0)) {
    return Fail(ErrorCode::kInvalidArgument, "--gate: `", flags.gate,
                "` is not kl=X with X a divergence in nats, as in kl=0.05");
  }
  return limit;
}

size_t HeldOutWindows(const ReportFlags& flags) {
  return flags.windows ? static_cast<size_t>(*flags.windows) : kUsualWindows;
}

Result<HeldOutText> FindHeldOutText(const Checkpoint& checkpoint, const ReportFlags& flags, size_t context,
                                    const std::filesystem::path& calibration, CalibrationText left_over) {
  HeldOutText text{.name = {}, .windows = {}, .why_not = {}, .is_asked_for = flags.asks()};
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  text.is_encoder = spec.encoder.has_value();
  if (HeldOutWindows(flags) == 0) {
    text.why_not = "--report-windows 0";
    return text;
  }
  if (flags.text.empty() && !left_over.empty()) {
    text.name = calibration.native();
    text.windows = std::move(left_over);
    return text;
  }
  if (flags.text.empty() && !calibration.empty() && text.is_asked_for) {
    return Fail(ErrorCode::kInvalidArgument, calibration,
                ": every window is calibrated on, which leaves none to measure; give --report-text FILE, fewer "
                "--windows or a longer text");
  }
  text.name = flags.text.empty() ? std::string(kBuiltIn) : flags.text.native();
  Result<CalibrationText> windows = ReadWindows(checkpoint, flags, context);
  if (windows)
    text.windows = std::move(*windows);
  else
    OCTET_TRY(SkipUnlessAsked(std::move(windows).error(), text));
  return text;
}

Status CheckMemory(const Checkpoint& checkpoint, const QuantizePlan& plan, std::optional<double> most_bits,
                   ThreadPool& pool, HeldOutText& text) {
  if (text.windows.empty()) return {};
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  const CheckpointWeights original = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, pool));
  const uint64_t bytes = original.bytes() + OCTET_TRY(BytesOfResult(plan.map, most_bits));
  const uint64_t available = AvailableMemory();
  if (available == 0 || bytes <= available) return {};
  const Error error{ErrorCode::kExhausted, Cat("comparing the result with the original takes ", Counted(bytes, "byte"),
                                               " of memory for both, there are ", available)};
  return SkipUnlessAsked(error, text);
}

Result<MeasuredResult> MeasureResult(HeldOutText text, const Checkpoint& original, const std::filesystem::path& output,
                                     const Recipe& recipe, ThreadPool& pool, Invocation& call) {
  const nn::ActivationMode activations = InputRounding(recipe);
  MeasuredResult measured{
      .text = std::move(text), .activations = std::string(RoundingName(activations)), .comparison = std::nullopt};
  if (measured.text.windows.empty()) return measured;
  Result<Comparison> comparison = CompareWithOriginal(measured.text, original, output, activations, pool, call);
  if (comparison)
    measured.comparison = *comparison;
  else
    OCTET_TRY(SkipUnlessAsked(std::move(comparison).error(), measured.text));
  return measured;
}

Status AddMeasurement(const MeasuredResult& measured, std::optional<double> limit, const std::filesystem::path& output,
                      Json& report) {
  report["measured"] = MeasurementJson(measured);
  if (limit && measured.comparison) {
    report["gate"] = {
        {"kl_mean", measured.comparison->kl_mean}, {"limit", *limit}, {"top1", measured.comparison->top1}};
  }
  return WriteFileAtomically(output / "quantization_report.json", Dump(report, 2) + "\n");
}

std::string MeasurementText(const MeasuredResult& measured) {
  if (!measured.comparison) {
    return Cat("not compared with the original: ", measured.text.why_not,
               measured.text.is_encoder ? "; hold the vectors of both beside each other\n"
                                        : "; `octet eval compare` does it with a text of yours\n");
  }
  const Comparison& comparison = *measured.comparison;
  const size_t windows = measured.text.windows.size();
  return fmt::format(
      "on {} of {} ({}), inputs in {}:\n"
      "KL divergence mean {:.6f}, 99th percentile {:.6f}; same first choice {:.2f} %\n"
      "perplexity {:.4f}, of the original {:.4f}\n",
      Counted(windows, "window"), measured.text.name, Counted(comparison.a.tokens, "prediction"), measured.activations,
      comparison.kl_mean, comparison.kl_p99, 100 * comparison.top1, comparison.b.perplexity, comparison.a.perplexity);
}

}  // namespace octet::cli
