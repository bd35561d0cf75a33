#include "quantize/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/atomic_file.h"
#include "base/json_text.h"
#include "formats/staged_directory.h"
#include "models/hf_config.h"
#include "models/weights.h"
#include "quantize/calibrated_output.h"
#include "quantize/compressed_tensors.h"
#include "quantize/kv_scales.h"
#include "quantize/modelopt.h"
#include "quantize/tensor_layout.h"
#include "quantize/tensor_output.h"
#include "quantize/worst_tensors.h"
#include "text/companion_files.h"

namespace octet {
namespace {

constexpr uint64_t kShardBytes = uint64_t{5} << 30;  // as transformers cuts by default

uint64_t Elements(const Shape& shape) { return ElementCount(shape).value_or(0); }

// The source's configuration, saying what the output holds.
Json OutputConfig(const Checkpoint& checkpoint, const QuantizePlan& plan) {
  const PrecisionMap& map = plan.map;
  const Dialect dialect = plan.choices.dialect;
  Json config = checkpoint.config;
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (config.contains(key) && config[key] == "float32") config[key] = "bfloat16";
  }
  if (map.unties_head) config["tie_word_embeddings"] = false;
  config["quantization_config"] = dialect == Dialect::kModelOpt ? ModelOptConfig(map) : CompressedTensorsConfig(map);
  if (plan.kv) AddKvScheme(*plan.kv, dialect, config);
  return config;
}

// Of the weights and the cache's scales: numbers of 4 bytes come first, of 2 last, so that no tensor lies unaligned for
// their sake.
std::vector<TensorSpec> AllTensors(const QuantizePlan& plan) {
  std::vector<TensorSpec> tensors = OutputTensors(plan.map);
  const std::vector<TensorSpec> scales = KvTensors(plan);
  const bool is_first = plan.choices.dialect == Dialect::kModelOpt;
  tensors.insert(is_first ? tensors.begin() : tensors.end(), scales.begin(), scales.end());
  return tensors;
}

// Tensors that an earlier step hasn't written.
Status WriteRest(const TensorSource& source, const PrecisionMap& map, const GlobalScales& globals,
                 ShardedSafetensorsWriter& writer, const QuantizeRun& run,
                 std::vector<std::optional<QuantizedTensor>>& written) {
  for (size_t i = 0; i < map.tensors.size(); ++i) {
    const TensorPrecision& tensor = map.tensors[i];
    if (written[i]) continue;
    written[i] = QuantizedTensor{.precision = tensor};
    if (tensor.quantised()) {
      written[i]->decibels = OCTET_TRY(EncodeTensor(source, tensor, globals, {}, writer, run)).Decibels();
    } else {
      OCTET_TRY(CopyTensor(source, tensor, writer, run));
    }
    source.Release(tensor.source);
  }
  return {};
}

// Weights that go by, for the progress: those with a scale of the tensor are read twice, and a layer's windows count as
// much as its weights.
uint64_t WorkOf(const QuantizePlan& plan) {
  uint64_t total = 0;
  for (const TensorPrecision& tensor : plan.map.tensors) {
    total += Elements(tensor.shape) * (tensor.encoding && HasTensorScale(*tensor.encoding) ? 2 : 1);
    if (!plan.windows.empty() && tensor.quantised()) total += Elements(tensor.shape);
  }
  return total;
}

struct WrittenTensors {
  std::vector<QuantizedTensor> tensors;
  Calibrated calibrated;
};

Result<WrittenTensors> WriteTensors(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                    const std::filesystem::path& directory, const QuantizeRun& run) {
  const PrecisionMap& map = plan.map;
  ShardedSafetensorsWriter writer =
      OCTET_TRY(ShardedSafetensorsWriter::Create(directory, AllTensors(plan), {{"format", "pt"}}, kShardBytes));
  OCTET_TRY(WriteKvScales(plan, writer));
  run.progress.Begin("quantize", WorkOf(plan), "weights");
  const GlobalScales globals = OCTET_TRY(MeasureGlobalScales(*checkpoint.tensors, map, run));
  std::vector<std::optional<QuantizedTensor>> written(map.tensors.size());
  Calibrated calibrated{.ranges = plan.inputs, .strengths = {}};
  EditedSource edited(*checkpoint.tensors);
  if (!plan.windows.empty()) {
    calibrated = OCTET_TRY(WriteCalibrated({checkpoint, plan, globals, directory, edited}, writer, run, written));
  }
  OCTET_TRY(WriteHeads(map, globals, calibrated.ranges, writer));
  OCTET_TRY(WriteRest(edited, map, globals, writer, run, written));
  OCTET_TRY(writer.Commit());
  run.progress.End();
  WrittenTensors all{.tensors = {}, .calibrated = std::move(calibrated)};
  for (std::optional<QuantizedTensor>& tensor : written) all.tensors.push_back(std::move(*tensor));
  return all;
}

Result<QuantizeReport> MakeReport(const Checkpoint& checkpoint, const QuantizePlan& plan, WrittenTensors written) {
  QuantizeReport report{.recipe = std::string(plan.recipe->name),
                        .source = checkpoint.path,
                        .choices = plan.choices,
                        .tensors = std::move(written.tensors),
                        .kv = plan.kv,
                        .calibration_tokens = plan.calibration_tokens,
                        .window_length = plan.window_length,
                        .is_compensated = !plan.windows.empty() && plan.recipe->search == Search::kCompensated,
                        .decoded_from = plan.decoded_from,
                        .calibrated = std::move(written.calibrated)};
  if (!plan.recipe->rounds_inputs) report.calibrated.ranges.clear();
  report.without_range = SlotsWithoutRange(plan.map, report.calibrated.ranges);
  for (const TensorSpec& spec : AllTensors(plan)) report.weight_bytes += OCTET_TRY(ByteSize(spec));
  for (const TensorInfo& info : checkpoint.tensors->tensors()) report.bf16_bytes += 2 * Elements(info.shape);
  size_t rounded = 0;
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.precision.quantised()) continue;
    if (tensor.precision.is_ragged()) ++report.ragged;
    if (std::isinf(tensor.decibels)) continue;  // exact, as of zeros alone
    report.mean_decibels += tensor.decibels;
    ++rounded;
  }
  report.mean_decibels =
      rounded == 0 ? std::numeric_limits<double>::infinity() : report.mean_decibels / static_cast<double>(rounded);
  return report;
}

Result<QuantizeReport> WriteAll(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                const std::filesystem::path& directory, const QuantizeRun& run) {
  WrittenTensors written = OCTET_TRY(WriteTensors(checkpoint, plan, directory, run));
  QuantizeReport report = OCTET_TRY(MakeReport(checkpoint, plan, std::move(written)));
  OCTET_TRY(WriteFileAtomically(directory / "config.json", Dump(OutputConfig(checkpoint, plan), 2) + "\n"));
  if (plan.choices.dialect == Dialect::kModelOpt) {
    Json file = ModelOptFile(plan.map);
    if (plan.kv) AddKvAlgorithm(*plan.kv, file);
    OCTET_TRY(WriteFileAtomically(directory / "hf_quant_config.json", Dump(file, 2) + "\n"));
  }
  if (!checkpoint.generation_config.is_null()) {
    OCTET_TRY(WriteFileAtomically(directory / "generation_config.json", Dump(checkpoint.generation_config, 2) + "\n"));
  }
  for (const ExportFile& file : OCTET_TRY(CompanionFiles(checkpoint))) {
    std::error_code error;  // a folder that can't be made says so as its file is written
    std::filesystem::create_directories((directory / file.name).parent_path(), error);
    OCTET_TRY(WriteFileAtomically(directory / file.name, file.content));
  }
  OCTET_TRY(WriteFileAtomically(directory / "quantization_report.json", Dump(ToJson(report), 2) + "\n"));
  return report;
}

// What a calibration chose: ranges of inputs, alphas of SmoothQuant; null where the recipe has none.
Json InputScalesJson(const QuantizeReport& report) {
  if (report.calibrated.ranges.empty()) return nullptr;
  const ObserverChoice& choice = report.choices.observer;
  Json json = {{"observer", Name(choice.observer)},
               {"ranges", report.calibrated.ranges},
               {"without_range", report.without_range}};
  if (choice.observer == Observer::kPercentile) json["percentile"] = choice.percentile;
  return json;
}

Json AlphasJson(const MigrationStrengths& strengths) {
  if (strengths.empty()) return nullptr;
  Json json = Json::object();
  for (const auto& [slot, alpha] : strengths) json[slot] = alpha ? Json(*alpha) : Json(nullptr);
  return json;
}

}  // namespace

Json ToJson(const QuantizeReport& report) {
  Json tensors = Json::array();
  for (const QuantizedTensor& tensor : report.tensors) {
    Json entry = {{"name", tensor.precision.name},
                  {"shape", tensor.precision.shape},
                  {"precision", tensor.precision.precision()},
                  {"reason", tensor.precision.reason}};
    if (tensor.precision.quantised()) entry["signal_to_noise_db"] = tensor.decibels;
    tensors.push_back(std::move(entry));
  }
  Json worst = Json::array();
  for (const QuantizedTensor* tensor : WorstTensors(report, kWorstTensors))
    worst.push_back({{"name", tensor->precision.name}, {"signal_to_noise_db", tensor->decibels}});
  const bool has_groups = report.choices.layers == Encoding::kInt4 || report.choices.head == Encoding::kInt4;
  return {{"recipe", report.recipe},
          {"dialect", ReaderOf(report.choices.dialect)},
          {"source", report.source.filename().native()},
          {"decoded_from", report.decoded_from.empty() ? Json(nullptr) : Json(report.decoded_from)},
          {"head", report.choices.head ? Name(*report.choices.head) : "bf16"},
          {"group", has_groups ? Json(report.choices.group) : Json(nullptr)},
          {"keep", report.choices.keep},
          {"calibration_tokens", report.calibration_tokens},
          {"window_length", report.window_length == 0 ? Json(nullptr) : Json(report.window_length)},
          {"act_order", report.is_compensated ? Json(report.choices.rounds_by_size) : Json(nullptr)},
          {"input_scales", InputScalesJson(report)},
          {"alphas", AlphasJson(report.calibrated.strengths)},
          {"ragged", report.ragged},
          {"readers",
           report.ragged == 0 ? Json::array({"octet", ReaderOf(report.choices.dialect)}) : Json::array({"octet"})},
          {"weight_bytes", report.weight_bytes},
          {"bf16_bytes", report.bf16_bytes},
          {"ratio", report.ratio()},
          {"mean_signal_to_noise_db", report.mean_decibels},
          {"worst", std::move(worst)},
          {"kv", report.kv ? KvReport(*report.kv, report.choices.dialect) : Json(nullptr)},
          {"tensors", std::move(tensors)}};
}

Result<QuantizePlan> PlanQuantization(const Checkpoint& checkpoint, const Recipe& recipe, PrecisionChoices choices) {
  if (const Json* config = FindMember(checkpoint.config, "quantization_config")) {
    const Json* method = config->is_object() ? FindMember(*config, "quant_method") : nullptr;
    return Fail(
        ErrorCode::kInvalidArgument, checkpoint.path, ": is quantised already (",
        method != nullptr && method->is_string() ? method->get<std::string>() : "quantization_config in config.json",
        "); quantise the original, or give --requantize");
  }
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  choices.layers = recipe.encoding;
  choices.rounds_inputs = recipe.rounds_inputs;
  choices.takes_e4m3_inputs = recipe.takes_e4m3_inputs;
  choices.takes_int8_inputs = recipe.takes_int8_inputs;
  Result<PrecisionMap> map = PlanPrecision(WeightSlots(spec), *checkpoint.tensors, choices);
  if (!map) return Prefixed(std::move(map).error(), Cat(checkpoint.path, ": "));
  if (const Status layouts = CheckLayouts(*map); !layouts) return Prefixed(layouts.error(), Cat(checkpoint.path, ": "));
  OCTET_TRY(CheckWeights(checkpoint, spec));
  if (map->quantised_weights() == 0) {
    return Fail(ErrorCode::kInvalidArgument, checkpoint.path, ": --keep leaves nothing to quantise");
  }
  return QuantizePlan{.recipe = &recipe, .choices = std::move(choices), .map = std::move(*map)};
}

Result<QuantizeReport> QuantizeCheckpoint(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                          const std::filesystem::path& directory, const QuantizeRun& run) {
  StagedDirectory out = OCTET_TRY(StagedDirectory::Create(directory, checkpoint.path));
  Result<QuantizeReport> report = WriteAll(checkpoint, plan, out.path(), run);
  if (!report) return tl::unexpected<Error>(out.WithTargetName(std::move(report).error()));
  OCTET_TRY(out.Commit());
  return report;
}

}  // namespace octet
