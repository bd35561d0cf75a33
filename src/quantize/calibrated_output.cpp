#include "quantize/calibrated_output.h"

#include <algorithm>

#include "models/hf_config.h"
#include "quantize/calibration.h"
#include "quantize/calibration_pass.h"
#include "quantize/code_rounding.h"
#include "quantize/damaged_weights.h"
#include "quantize/round_trip.h"
#include "quantize/smoothing.h"

namespace octet {
namespace {

// One run of WriteCalibrated.
class LayerWriter {
 public:
  LayerWriter(const CalibratedOutput& output, ShardedSafetensorsWriter& writer, const QuantizeRun& run,
              std::vector<std::optional<QuantizedTensor>>& written)
      : output_(output), writer_(writer), run_(run), written_(written) {}

  // The matrices that these inputs go into. Lets the moments go.
  Status Write(std::string_view slot, InputStatistics inputs) {
    calibrated_.ranges[std::string(slot)] = RangeOf(inputs, output_.plan.choices.observer, run_.pool);
    const std::vector<TensorPrecision>& tensors = output_.plan.map.tensors;
    std::optional<ErrorWeights> weights;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].quantised() || tensors[i].joined != slot) continue;
      if (!weights) weights = WeightsOf(std::move(inputs), *tensors[i].encoding);
      std::vector<Bf16> decoded;
      written_[i] = QuantizedTensor{.precision = tensors[i]};
      // Nothing is behind the head; a tied one is read from the embedding, which stays.
      const KnownInputs known{&*weights, runs_quantised() && slot != "head" ? &decoded : nullptr};
      written_[i]->decibels =
          OCTET_TRY(EncodeTensor(output_.edited, tensors[i], output_.globals, known, writer_, run_)).Decibels();
      output_.edited.Release(tensors[i].source);
      output_.edited.Forget(tensors[i].source);
      if (!decoded.empty()) output_.edited.Replace(tensors[i].source, std::move(decoded));
    }
    return {};
  }

  // All matrices of a layer, which is measured as a whole, or, where errors are compensated, part by part behind what
  // is rounded of it already. `weights` are those of the edited source.
  Status WriteLayer(CalibrationPass& pass, size_t layer, CheckpointWeights& weights, LayerSmoothing& smoothing,
                    const CalibrationPass::WindowDone& advance) {
    const auto damaged = [&](const Error& error) {
      return tl::unexpected<Error>(NameDamagedWeight(output_.edited, pass.spec(), layer, error, run_));
    };
    if (runs_quantised()) {
      for (const std::string_view part : kLayerParts) {
        Result<InputStatistics> inputs = pass.MeasurePart(part, weights, advance);
        if (!inputs) return damaged(inputs.error());
        OCTET_TRY(Write(LayerSlot(layer, part), std::move(*inputs)));
      }
      return {};
    }
    Result<LayerInputs> inputs = pass.Measure(advance);
    if (inputs) inputs = Smooth(layer, std::move(*inputs), smoothing);
    if (!inputs) return damaged(inputs.error());
    for (auto& [slot, statistics] : *inputs) OCTET_TRY(Write(slot, std::move(statistics)));
    return {};
  }

  // The inputs as they are once the recipe has divided them, if it does.
  Result<LayerInputs> Smooth(size_t layer, LayerInputs inputs, LayerSmoothing& smoothing) const {
    const Search search = output_.plan.recipe->search;
    if (search == Search::kSmoothed || search == Search::kMigrated)
      OCTET_TRY(smoothing.Smooth(layer, inputs, run_.pool));
    return inputs;
  }

  // What the layer's matrices were replaced by.
  void Forget(size_t layer) {
    const std::string prefix = LayerSlot(layer, "");
    for (const TensorPrecision& tensor : output_.plan.map.tensors) {
      if (tensor.quantised() && tensor.joined.starts_with(prefix)) output_.edited.Forget(tensor.source);
    }
  }

  // Whether the layers behind one see what it computes once it is quantised: errors that are compensated are those of
  // the inputs that a matrix will meet.
  bool runs_quantised() const { return output_.plan.recipe->search == Search::kCompensated; }

  Calibrated Take(const LayerSmoothing& smoothing) {
    calibrated_.strengths = smoothing.strengths();
    return std::move(calibrated_);
  }

 private:
  ErrorWeights WeightsOf(InputStatistics inputs, Encoding encoding) const {
    if (inputs.moments.empty()) return {};
    if (runs_quantised() && CanCompensate(encoding)) return KnownErrors(inputs, output_.plan, run_.pool);
    return {.squares = inputs.MeanSquares()};
  }

  const CalibratedOutput& output_;
  ShardedSafetensorsWriter& writer_;
  const QuantizeRun& run_;
  std::vector<std::optional<QuantizedTensor>>& written_;
  Calibrated calibrated_;
};

bool QuantisesHead(const PrecisionMap& map) {
  return std::any_of(map.tensors.begin(), map.tensors.end(),
                     [](const TensorPrecision& tensor) { return tensor.quantised() && tensor.joined == "head"; });
}

}  // namespace

Result<Calibrated> WriteCalibrated(const CalibratedOutput& output, ShardedSafetensorsWriter& writer,
                                   const QuantizeRun& run, std::vector<std::optional<QuantizedTensor>>& written) {
  LayerWriter layer_writer(output, writer, run, written);
  const ModelSpec spec = OCTET_TRY(ReadHfConfig(output.checkpoint.config, output.checkpoint.path.native()));
  const bool quantised = layer_writer.runs_quantised();
  const PrecisionChoices& choices = output.plan.choices;
  const StatisticsWanted wanted = WantedFor(*output.plan.recipe, choices.observer, choices.layers);
  CalibrationPass pass = OCTET_TRY(CalibrationPass::Start(
      output.checkpoint, output.plan.windows,
      {.wanted = wanted, .advances = !quantised, .compares = quantised, .scratch = output.scratch}, run));
  Checkpoint edited = output.checkpoint;
  edited.tensors = std::shared_ptr<const TensorSource>(output.checkpoint.tensors, &output.edited);
  CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(edited, spec, ComputeType::kAuto, run.pool));
  weights.UseOwnMemory();
  LayerSmoothing smoothing(spec, output.plan.map, output.edited, output.plan.recipe->search);
  if (output.plan.kv) smoothing.KeepValues();
  const uint64_t runs = output.plan.windows.size() * pass.layers() * (quantised ? std::size(kLayerParts) + 1 : 1);
  const uint64_t share = output.plan.map.quantised_weights() / std::max<uint64_t>(1, runs);
  const auto advance = [&](size_t) { run.progress.Advance(share); };
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    OCTET_TRY(layer_writer.WriteLayer(pass, layer, weights, smoothing, advance));
    OCTET_TRY(pass.Advance(&weights, advance));
    layer_writer.Forget(layer);
  }
  if (QuantisesHead(output.plan.map)) {
    Result<InputStatistics> head = pass.Head(WantedFor(*output.plan.recipe, choices.observer, *choices.head));
    if (!head) return tl::unexpected<Error>(NameDamagedWeight(output.edited, spec, pass.layers(), head.error(), run));
    OCTET_TRY(layer_writer.Write("head", std::move(*head)));
  }
  return layer_writer.Take(smoothing);
}

}  // namespace octet
