// The end of `octet quantize`: how far the result is from the original on a text that nothing was calibrated on, and
// the limit that it must keep.
//
//   const std::optional<double> limit = OCTET_TRY(GateLimit(options.report));
//   HeldOutText text = OCTET_TRY(FindHeldOutText(checkpoint, options.report, ...));     // before hours of work
//   ... quantise ...
//   MeasuredResult measured = OCTET_TRY(MeasureResult(text, models, pool, call));
//   OCTET_TRY(AddMeasurement(measured, limit, json));
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/options.h"
#include "cli/verb.h"
#include "eval/compare.h"
#include "quantize/calibration_text.h"
#include "quantize/quantize.h"

namespace octet::cli {

struct ReportFlags {
  std::filesystem::path text;
  std::optional<int> windows;
  std::string gate;

  // Whether the user wants a measurement, so that none is an error and no remark.
  bool asks() const { return !text.empty() || !gate.empty() || windows.value_or(0) > 0; }

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(
        &ReportFlags::text, "report-text",
        "text or JSONL that the result is compared with the original on; not given: what --calibrate's has behind the "
        "windows that were calibrated on, else a text of the program's own");
    visit(&ReportFlags::windows, "report-windows",
          "windows to compare on, 20 unless given, 1 where neither a text nor --gate is; 0: no comparison",
          Between{0, 1 << 20});
    visit(&ReportFlags::gate, "gate", "exit with 1 where the mean KL divergence from the original is above X, in nats",
          Takes{"kl=X"});
  }
};

// The limit of --gate kl=X. Fails with invalid_argument for another form and where --report-windows 0 leaves nothing to
// hold it against.
Result<std::optional<double>> GateLimit(const ReportFlags& flags);

// What a result is measured on.
struct HeldOutText {
  std::string name;         // of a file, or "the built-in text"
  CalibrationText windows;  // all of one length; empty: nothing is measured
  std::string why_not;      // then
  bool is_asked_for = false;
  bool is_encoder = false;  // the model: nothing that predicts can be measured
};

// Windows of the file that FindHeldOutText wants beside those that are calibrated on.
size_t HeldOutWindows(const ReportFlags& flags);

// `context` is --window-length, 0 where it isn't given; `calibration` the text that is calibrated on, empty where none
// is, and `left_over` its windows that are not. Fails as the reader of the text does where the user asked for a
// measurement; where nobody did, the text has no windows and says why.
Result<HeldOutText> FindHeldOutText(const Checkpoint& checkpoint, const ReportFlags& flags, size_t context,
                                    const std::filesystem::path& calibration, CalibrationText left_over);

// Both models are in memory at once while they are compared. `most_bits` are those of a weight of the layers' matrices
// where their precision isn't chosen yet. Fails with exhausted, both numbers named, where they don't fit and the user
// asked; else the text loses its windows.
Status CheckMemory(const Checkpoint& checkpoint, const QuantizePlan& plan, std::optional<double> most_bits,
                   ThreadPool& pool, HeldOutText& text);

struct MeasuredResult {
  HeldOutText text;
  std::string activations;               // what the result's inputs are rounded to
  std::optional<Comparison> comparison;  // absent: text.why_not says why
};

// The result is the model in `output`. Fails as opening and running the models does where the user asked, and with
// cancelled.
Result<MeasuredResult> MeasureResult(HeldOutText text, const Checkpoint& original, const std::filesystem::path& output,
                                     const Recipe& recipe, ThreadPool& pool, Invocation& call);

// "measured" and, where there is a limit, "gate" of the report, which it rewrites in `output`.
Status AddMeasurement(const MeasuredResult& measured, std::optional<double> limit, const std::filesystem::path& output,
                      Json& report);

// The same for a terminal.
std::string MeasurementText(const MeasuredResult& measured);

}  // namespace octet::cli
