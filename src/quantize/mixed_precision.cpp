#include "quantize/mixed_precision.h"

#include <algorithm>
#include <cmath>

#include "formats/check_values.h"
#include "models/hf_config.h"
#include "quantize/awq.h"
#include "quantize/calibration_pass.h"
#include "quantize/code_rounding.h"
#include "quantize/edited_source.h"
#include "quantize/global_scales.h"
#include "quantize/layer_probe.h"
#include "quantize/round_trip.h"
#include "quantize/tensor_layout.h"
#include "quantize/tensor_slices.h"

namespace octet {
namespace {

constexpr size_t kProbeWindows = 4;
constexpr size_t kRowsMeasured = 128;  // of each tensor, evenly over it

constexpr LayerChoice kCandidates[] = {
    {Encoding::kInt4, 128}, {Encoding::kInt4, 64}, {Encoding::kInt4, 32}, {Encoding::kNvfp4, 0},
    {Encoding::kInt8, 0},   {Encoding::kE4M3, 0},  {std::nullopt, 0},
};

// One run of MeasureSensitivity.
class SensitivityRun {
 public:
  SensitivityRun(const Checkpoint& checkpoint, const QuantizePlan& plan, const GlobalScales& globals,
                 const QuantizeRun& run)
      : checkpoint_(checkpoint), plan_(plan), globals_(globals), run_(run), edited_(*checkpoint.tensors) {}

  Status Measure(CalibrationPass& pass, LayerProbe& probe, CheckpointWeights& weights);

  MixedPrecision TakeResult() { return std::move(mixed_); }
  const EditedSource& edited() const { return edited_; }

 private:
  // Every candidate's bits and, for its loss, the squared error of its products.
  Result<MixedPart> CostsOf(const std::string& slot, const std::vector<const TensorPrecision*>& tensors,
                            const ErrorWeights& known, const InputStatistics& inputs) const;
  // One part of the current layer: its options, and the model as it is with the part in those that are measured.
  Status TryPart(const std::string& slot, InputStatistics inputs, LayerProbe& probe, CheckpointWeights& weights);
  std::vector<const TensorPrecision*> TensorsOf(std::string_view slot) const;
  // Squared error of a candidate's products, a token, by the tensor's rows of SampleRows.
  Result<double> ErrorOf(const TensorPrecision& tensor, std::span<const float> sample, const ErrorWeights& known,
                         const InputStatistics& inputs) const;
  Result<std::vector<float>> SampleRows(const TensorPrecision& tensor) const;
  float GlobalOf(const TensorPrecision& tensor) const {
    return tensor.encoding == Encoding::kNvfp4 ? globals_.at(tensor.name) : 1.0F;
  }

  const Checkpoint& checkpoint_;
  const QuantizePlan& plan_;
  const GlobalScales& globals_;
  const QuantizeRun& run_;
  EditedSource edited_;
  MixedPrecision mixed_;
};

// The tensor as the candidate would have it.
TensorPrecision As(const LayerChoice& choice, TensorPrecision tensor, const PrecisionChoices& choices) {
  ChooseEncoding(choice, choices, tensor);
  return tensor;
}

// Codes and scales of rows, groups and blocks; not the few bytes that a whole tensor has.
Result<double> BitsOf(const TensorPrecision& tensor) {
  if (!tensor.quantised()) {
    return 8.0 * static_cast<double>(OCTET_TRY(ByteSize(TensorSpec{tensor.name, tensor.dtype, tensor.shape})));
  }
  const TensorLayout layout = LayoutOf(tensor);
  uint64_t bytes = OCTET_TRY(ByteSize(layout.codes));
  if (layout.scales) bytes += OCTET_TRY(ByteSize(*layout.scales));
  return 8.0 * static_cast<double>(bytes);
}

std::vector<const TensorPrecision*> SensitivityRun::TensorsOf(std::string_view slot) const {
  std::vector<const TensorPrecision*> tensors;
  for (const TensorPrecision& tensor : plan_.map.tensors) {
    if (tensor.quantised() && tensor.joined == slot) tensors.push_back(&tensor);
  }
  return tensors;
}

Result<std::vector<float>> SensitivityRun::SampleRows(const TensorPrecision& tensor) const {
  const uint64_t rows = RowCount(tensor.shape), columns = RowSize(tensor.shape);
  const uint64_t count = std::min<uint64_t>(rows, kRowsMeasured);
  std::vector<float> sample(count * columns);
  for (uint64_t i = 0; i < count; ++i)
    OCTET_TRY(checkpoint_.tensors->ReadRows(tensor.source, i * rows / count, 1, sample.data() + i * columns));
  return sample;
}

Result<double> SensitivityRun::ErrorOf(const TensorPrecision& tensor, std::span<const float> sample,
                                       const ErrorWeights& known, const InputStatistics& inputs) const {
  if (!tensor.quantised()) return 0;
  std::vector<float> errors = OCTET_TRY(RoundTrip(tensor, sample, GlobalOf(tensor), &known, run_.pool));
  for (size_t i = 0; i < errors.size(); ++i) errors[i] -= sample[i];
  const double rows = static_cast<double>(RowCount(tensor.shape));
  const double share = rows / (static_cast<double>(sample.size()) / static_cast<double>(inputs.width));
  return share * ErrorOfProducts(errors, inputs.width, inputs.moments, run_.pool) / static_cast<double>(inputs.rows);
}

// Candidates that readers wouldn't take are left out.
Result<MixedPart> SensitivityRun::CostsOf(const std::string& slot, const std::vector<const TensorPrecision*>& tensors,
                                          const ErrorWeights& known, const InputStatistics& inputs) const {
  MixedPart part{.slot = slot};
  std::vector<std::vector<float>> samples;
  for (const TensorPrecision* tensor : tensors) {
    part.weights += ElementCount(tensor->shape).value_or(0);
    samples.push_back(OCTET_TRY(SampleRows(*tensor)));
  }
  for (size_t i = 0; i < std::size(kCandidates); ++i) {
    BudgetOption option;
    bool is_readable = true;
    for (size_t at = 0; at < tensors.size(); ++at) {
      const TensorPrecision as = As(kCandidates[i], *tensors[at], plan_.choices);
      is_readable = is_readable && IsReadable(as);
      option.bits += OCTET_TRY(BitsOf(as));
      if (is_readable) option.loss += OCTET_TRY(ErrorOf(as, samples[at], known, inputs));
    }
    if (!is_readable) continue;
    part.options.options.push_back(option);
    part.candidates.push_back(i);
  }
  return part;
}

// The options whose divergence is measured: NVFP4 and the INT4 of the fewest bits, as far as the part has them, else
// its first.
std::vector<size_t> OptionsToMeasure(const MixedPart& part) {
  std::vector<size_t> options;
  for (const Encoding encoding : {Encoding::kNvfp4, Encoding::kInt4}) {
    const auto found = std::find_if(part.candidates.begin(), part.candidates.end(),
                                    [&](size_t candidate) { return kCandidates[candidate].encoding == encoding; });
    if (found != part.candidates.end()) options.push_back(static_cast<size_t>(found - part.candidates.begin()));
  }
  if (options.empty()) options.push_back(0);
  return options;
}

Status SensitivityRun::TryPart(const std::string& slot, InputStatistics inputs, LayerProbe& probe,
                               CheckpointWeights& weights) {
  const std::vector<const TensorPrecision*> tensors = TensorsOf(slot);
  if (tensors.empty()) return {};
  const ErrorWeights known = KnownErrors(inputs, plan_, run_.pool);
  MixedPart part = OCTET_TRY(CostsOf(slot, tensors, known, inputs));
  for (const size_t option : OptionsToMeasure(part)) {
    part.measured.push_back({.option = option});
    for (const TensorPrecision* tensor : tensors) {
      const TensorPrecision as = As(kCandidates[part.candidates[option]], *tensor, plan_.choices);
      if (as.quantised()) OCTET_TRY(ReplaceByCodes(checkpoint_, as, globals_, known, run_.pool, edited_));
    }
    OCTET_TRY(probe.Try(weights));
    for (const TensorPrecision* tensor : tensors) edited_.Forget(tensor->source);
  }
  mixed_.parts.push_back(std::move(part));
  return {};
}

// "attn.qkv" of "layers.3.attn.qkv".
std::string_view KindOf(std::string_view slot) { return slot.substr(slot.find('.', slot.find('.') + 1) + 1); }

bool IsInt4(const MixedPart& part, size_t option) {
  return kCandidates[part.candidates[option]].encoding == Encoding::kInt4;
}

// The mean of logarithms of numbers.
struct LogMean {
  double sum = 0;
  size_t count = 0;

  void Add(double number) {
    sum += std::log(number);
    ++count;
  }
  double Value() const { return count == 0 ? 0 : std::exp(sum / static_cast<double>(count)); }
};

// Divergence for each unit of squared error, by what was measured of a part's INT4 or of its other codes; 0 where
// that moved nothing.
double CostOfError(const MixedPart& part, bool of_int4) {
  for (const MeasuredOption& one : part.measured) {
    const double error = part.options.options[one.option].loss;
    if (IsInt4(part, one.option) == of_int4 && error > 0 && one.kl > 0) return one.kl / error;
  }
  return 0;
}

Status SensitivityRun::Measure(CalibrationPass& pass, LayerProbe& probe, CheckpointWeights& weights) {
  mixed_.candidates.assign(std::begin(kCandidates), std::end(kCandidates));
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    LayerInputs inputs = OCTET_TRY(pass.Measure([&](size_t tokens) { run_.progress.Advance(tokens); }));
    const size_t first = mixed_.parts.size();
    for (auto& [slot, statistics] : inputs) OCTET_TRY(TryPart(slot, std::move(statistics), probe, weights));
    OCTET_TRY(pass.Advance());
    const std::vector<double> divergences = OCTET_TRY(probe.Finish());
    auto next = divergences.begin();
    for (size_t i = first; i < mixed_.parts.size(); ++i) {
      for (MeasuredOption& measured : mixed_.parts[i].measured) measured.kl = *next++;
    }
  }
  return {};
}

// Before hours of work: an error names the weight and not what it did to the inputs behind it.
Status CheckTensors(const Checkpoint& checkpoint, const PrecisionMap& map, const QuantizeRun& run) {
  for (const TensorPrecision& tensor : map.tensors) {
    const bool is_float = tensor.dtype == DType::kBf16 || tensor.dtype == DType::kF16;
    if (!tensor.quantised() && !is_float) continue;  // not read by the model
    OCTET_TRY(ForEachSlice(*checkpoint.tensors, tensor, run, [&](uint64_t first, std::span<const float> floats) {
      return CheckValues(floats, first, RowSize(tensor.shape), DType::kF32, tensor.source);
    }));
  }
  return {};
}

}  // namespace

void internal::PredictDivergences(std::span<MixedPart> parts) {
  std::map<std::string_view, LogMean> of_kinds;
  for (const MixedPart& part : parts) {
    const double int4 = CostOfError(part, true), others = CostOfError(part, false);
    if (int4 > 0 && others > 0) of_kinds[KindOf(part.slot)].Add(int4 / others);
  }
  for (MixedPart& part : parts) {
    const auto kind = of_kinds.find(KindOf(part.slot));
    const double int4_rate = kind == of_kinds.end() ? 1 : kind->second.Value();
    LogMean cost;
    if (const double int4 = CostOfError(part, true); int4 > 0) cost.Add(int4 / int4_rate);
    if (const double others = CostOfError(part, false); others > 0) cost.Add(others);
    for (size_t i = 0; i < part.options.options.size(); ++i)
      part.options.options[i].loss *= cost.Value() * (IsInt4(part, i) ? int4_rate : 1);
  }
}

uint64_t MixedPrecision::weights() const {
  uint64_t sum = 0;
  for (const MixedPart& part : parts) sum += part.weights;
  return sum;
}

void MixedPrecision::Choose(const BudgetPoint& point) {
  OCTET_CHECK(point.choice.size() == parts.size());
  for (size_t i = 0; i < parts.size(); ++i) parts[i].chosen = point.choice[i];
  bits = point.bits / static_cast<double>(weights());
  predicted_kl = point.loss;
}

std::map<std::string, LayerChoice, std::less<>> MixedPrecision::Choices() const {
  std::map<std::string, LayerChoice, std::less<>> choices;
  for (const MixedPart& part : parts) choices[part.slot] = candidates[part.candidates[part.chosen]];
  return choices;
}

std::string Name(const LayerChoice& choice) {
  if (!choice.encoding) return "bf16";
  if (*choice.encoding == Encoding::kInt4) return Cat("int4 g", choice.group);
  return std::string(Name(*choice.encoding));
}

Result<MixedPrecision> MeasureSensitivity(const Checkpoint& checkpoint, const QuantizePlan& plan,
                                          const CalibrationText& windows, const QuantizeRun& run) {
  OCTET_TRY(CheckTensors(checkpoint, plan.map, run));
  const GlobalScales globals = OCTET_TRY(MeasureGlobalScales(*checkpoint.tensors, plan.map, run));
  SplitText split = HoldOut(windows);
  if (split.held_out.size() > kProbeWindows) split.held_out.resize(kProbeWindows);
  CalibrationPass pass =
      OCTET_TRY(CalibrationPass::Start(checkpoint, split.calibrated, {.wanted = {.moments = true}}, run));
  const uint64_t layers = pass.layers();
  const uint64_t probed = TokensOf(split.held_out) * (layers + 4 * layers * (layers + 1));
  run.progress.Begin("measure sensitivity", TokensOf(split.calibrated) * layers + probed, "tokens");
  LayerProbe probe = OCTET_TRY(LayerProbe::Start(checkpoint, split.held_out, run));
  SensitivityRun sensitivity(checkpoint, plan, globals, run);
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  Checkpoint edited = checkpoint;
  edited.tensors = std::shared_ptr<const TensorSource>(checkpoint.tensors, &sensitivity.edited());
  CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(edited, spec, ComputeType::kAuto, run.pool));
  weights.UseOwnMemory();
  OCTET_TRY(sensitivity.Measure(pass, probe, weights));
  run.progress.End();
  MixedPrecision mixed = sensitivity.TakeResult();
  internal::PredictDivergences(mixed.parts);
  return mixed;
}

Status ChoosePrecision(const PrecisionBudget& budget, MixedPrecision& mixed) {
  std::vector<BudgetPart> parts;
  for (const MixedPart& part : mixed.parts) parts.push_back(part.options);
  const double weights = static_cast<double>(mixed.weights());
  mixed.curve = TradeOff(parts);
  std::vector<size_t> choice;
  if (budget.bits) {
    choice = ChooseWithinBits(parts, *budget.bits * weights);
    if (choice.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "--bits ", *budget.bits, " is below ",
                  mixed.curve.front().bits / weights,
                  " bits a weight, which the smallest of the candidates takes; give as many or more");
    }
  } else {
    const auto within = std::find_if(mixed.curve.begin(), mixed.curve.end(),
                                     [&](const BudgetPoint& point) { return point.loss <= *budget.max_kl; });
    OCTET_CHECK(within != mixed.curve.end());  // all in BF16 changes nothing
    choice = within->choice;
  }
  const BudgetPoint point = PointOf(parts, std::move(choice));
  const auto stays = [&](size_t i) { return !mixed.candidates[mixed.parts[i].candidates[point.choice[i]]].encoding; };
  size_t staying = 0;
  for (size_t i = 0; i < mixed.parts.size(); ++i) staying += stays(i) ? 1 : 0;
  if (staying == mixed.parts.size()) {
    return Fail(ErrorCode::kInvalidArgument, budget.bits ? "--bits " : "--max-kl ",
                budget.bits ? *budget.bits : *budget.max_kl,
                " leaves every matrix as it is; give fewer bits or more divergence, or take the original");
  }
  mixed.Choose(point);
  return {};
}

}  // namespace octet
