// `octet eval rounding`: what FP8, INT8 and 4-bit formats cost a model's products on a text.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/atomic_file.h"
#include "base/counted.h"
#include "base/svg_plot.h"
#include "cli/quantize_source.h"
#include "cli/verb.h"
#include "models/decoded_checkpoint.h"
#include "models/hf_config.h"
#include "quantize/rounding_study.h"

namespace octet::cli {
namespace {

struct RoundingOptions {
  std::filesystem::path text;
  std::filesystem::path figures;
  size_t chunks = 1;
  size_t context = 512;
  int threads = 0;

  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&RoundingOptions::text, "text", "text or JSONL whose inputs are rounded", Required{});
    visit(&RoundingOptions::figures, "figures", "directory that is there, for rounding_*.svg", Takes{"DIR"});
    visit(&RoundingOptions::chunks, "chunks", "windows of the text, from the first on", Between{1, 1 << 16});
    visit(&RoundingOptions::context, "context", "tokens of a window", Between{2, 1 << 20});
    visit(&RoundingOptions::threads, "threads", "threads to use; 0: one a core", Between{0, 1024});
  }
};

using Decibels = std::array<double, kStudiedFormats>;

// The middle one over the layers, format by format: a layer without noise doesn't move it.
Decibels MedianOf(const std::vector<const Decibels*>& layers) {
  Decibels medians = {};
  for (size_t format = 0; format < kStudiedFormats; ++format) {
    std::vector<double> values;
    for (const Decibels* layer : layers) values.push_back((*layer)[format]);
    std::sort(values.begin(), values.end());
    medians[format] = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  }
  return medians;
}

// What one part of all layers has, in the parts' order.
struct PartSummary {
  std::string part;
  double peak = 0;  // the largest of the layers
  Decibels inputs = {}, products = {}, least = {};
};

std::vector<PartSummary> Summarise(const std::vector<StudiedMatrix>& matrices) {
  std::map<std::string, std::vector<const RoundingErrors*>> parts;
  for (const StudiedMatrix& matrix : matrices) parts[matrix.part].push_back(&matrix.errors);
  std::vector<PartSummary> summaries;
  for (const auto& [part, layers] : parts) {
    PartSummary summary{.part = part};
    std::vector<const Decibels*> inputs, products;
    summary.least = layers.front()->products;
    for (const RoundingErrors* errors : layers) {
      summary.peak = std::max(summary.peak, errors->peak);
      inputs.push_back(&errors->inputs);
      products.push_back(&errors->products);
      for (size_t i = 0; i < kStudiedFormats; ++i) summary.least[i] = std::min(summary.least[i], errors->products[i]);
    }
    summary.inputs = MedianOf(inputs);
    summary.products = MedianOf(products);
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

std::string Table(const std::vector<PartSummary>& parts, const char* title, Decibels PartSummary::*values) {
  std::string text = fmt::format("{:<34}", title);
  for (const PartSummary& part : parts) text += fmt::format("{:>13}", part.part);
  for (size_t format = 0; format < kStudiedFormats; ++format) {
    text += fmt::format("\n{:<34}", Name(static_cast<StudiedFormat>(format)));
    for (const PartSummary& part : parts) text += fmt::format("{:>13.1f}", (part.*values)[format]);
  }
  return text + "\n";
}

std::string Text(const std::vector<PartSummary>& parts, size_t tokens) {
  std::string text = fmt::format("signal to noise in dB on {}\n", Counted(tokens, "token"));
  text += fmt::format("{:<34}", "largest input over the mean, once");
  for (const PartSummary& part : parts) text += fmt::format("{:>13.1f}", part.peak);
  return text + "\n" + Table(parts, "inputs, median of the layers", &PartSummary::inputs) +
         Table(parts, "products, median of the layers", &PartSummary::products) +
         Table(parts, "products, worst layer", &PartSummary::least);
}

Json ToJson(const Decibels& decibels) {
  Json json = Json::object();
  for (size_t i = 0; i < kStudiedFormats; ++i) json[std::string(Name(static_cast<StudiedFormat>(i)))] = decibels[i];
  return json;
}

Json ToJson(const std::vector<StudiedMatrix>& matrices, size_t tokens) {
  Json list = Json::array();
  for (const StudiedMatrix& matrix : matrices) {
    list.push_back({{"matrix", matrix.slot},
                    {"peak", matrix.errors.peak},
                    {"inputs_db", ToJson(matrix.errors.inputs)},
                    {"products_db", ToJson(matrix.errors.products)}});
  }
  return {{"tokens", tokens}, {"matrices", std::move(list)}};
}

std::string Bars(const std::vector<PartSummary>& parts, std::string title, Decibels PartSummary::*values) {
  BarPlot plot{.title = std::move(title), .y_label = "signal to noise, dB"};
  for (const PartSummary& part : parts) plot.groups.push_back(part.part);
  for (size_t format = 0; format < kStudiedFormats; ++format) {
    BarSeries series{.name = std::string(Name(static_cast<StudiedFormat>(format)))};
    for (const PartSummary& part : parts) series.values.push_back((part.*values)[format]);
    plot.series.push_back(std::move(series));
  }
  return PlotBars(plot);
}

// A line for each format, over the layers of one part.
std::string ByLayer(const std::vector<StudiedMatrix>& matrices, std::string_view part) {
  LinePlot plot{.title = Cat("Products of ", part, " with rounded inputs and weights"),
                .x_label = "layer",
                .y_label = "signal to noise, dB"};
  for (size_t format = 0; format < kStudiedFormats; ++format) {
    LineSeries series{.name = std::string(Name(static_cast<StudiedFormat>(format)))};
    for (const StudiedMatrix& matrix : matrices) {
      if (matrix.part == part)
        series.points.emplace_back(static_cast<double>(matrix.layer), matrix.errors.products[format]);
    }
    plot.series.push_back(std::move(series));
  }
  return PlotLines(plot);
}

std::string Peaks(const std::vector<StudiedMatrix>& matrices, const std::vector<PartSummary>& parts) {
  LinePlot plot{
      .title = "The largest input over the root mean square", .x_label = "layer", .y_label = "times", .log_y = true};
  for (const PartSummary& part : parts) {
    LineSeries series{.name = part.part};
    for (const StudiedMatrix& matrix : matrices) {
      if (matrix.part == part.part) series.points.emplace_back(static_cast<double>(matrix.layer), matrix.errors.peak);
    }
    plot.series.push_back(std::move(series));
  }
  return PlotLines(plot);
}

Status WritePlots(const std::filesystem::path& directory, const std::vector<StudiedMatrix>& matrices,
                  const std::vector<PartSummary>& parts) {
  const std::pair<const char*, std::string> files[] = {
      {"rounding_peaks.svg", Peaks(matrices, parts)},
      {"rounding_inputs.svg", Bars(parts, "Rounded inputs, median of the layers", &PartSummary::inputs)},
      {"rounding_products.svg",
       Bars(parts, "Products with rounded inputs and weights, median of the layers", &PartSummary::products)},
      {"rounding_down.svg", ByLayer(matrices, "ffn.down")}};
  for (const auto& [name, svg] : files) OCTET_TRY(WriteFileAtomically(directory / name, svg));
  return {};
}

Status RunRounding(const RoundingOptions& options, Invocation& call) {
  if (std::error_code ignored; !options.figures.empty() && !std::filesystem::is_directory(options.figures, ignored))
    return Fail(ErrorCode::kInvalidArgument, "--figures ", options.figures, " is no directory that is there");
  const Checkpoint checkpoint = OCTET_TRY(OpenQuantizeSource(call.word(0), /*requantize=*/false)).checkpoint;
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  if (OCTET_TRY(DecodeCheckpoint(checkpoint, spec))) {
    return Fail(ErrorCode::kInvalidArgument, checkpoint.path,
                ": is quantised already, which leaves nothing to round; give the original");
  }
  const CalibrationText windows =
      OCTET_TRY(ReadCalibrationText(checkpoint, options.text, {.windows = options.chunks, .context = options.context}));
  const size_t threads = options.threads > 0 ? static_cast<size_t>(options.threads) : ThreadPool::AvailableCores();
  const std::unique_ptr<ThreadPool> pool = OCTET_TRY(ThreadPool::Start(threads));
  const std::vector<StudiedMatrix> matrices =
      OCTET_TRY(StudyRounding(checkpoint, windows, {*pool, call.progress(), call.cancel()}));
  const std::vector<PartSummary> parts = Summarise(matrices);
  if (!options.figures.empty()) OCTET_TRY(WritePlots(options.figures, matrices, parts));
  const size_t tokens = TokensOf(windows);
  return call.json() ? call.PrintJson(ToJson(matrices, tokens)) : call.Print(Text(parts, tokens));
}

const RegisterVerb kRounding(
    MakeVerb<RoundingOptions>({.name = "eval rounding",
                               .words = "MODEL",
                               .summary = "signal to noise of FP8, INT8 and 4-bit formats on a text's inputs",
                               .example = "octet eval rounding build/models/bf16 --text examples/perplexity.txt"},
                              RunRounding));

}  // namespace
}  // namespace octet::cli
