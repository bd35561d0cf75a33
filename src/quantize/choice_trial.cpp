#include "quantize/choice_trial.h"

#include "quantize/code_rounding.h"
#include "quantize/stream_divergence.h"
#include "quantize/streamed_model.h"

namespace octet {
namespace {

constexpr size_t kMostCalibrated = 16;  // choices are told apart by fewer windows than the codes are made with

// The matrices that these inputs go into, as the plan has them.
Status ReplaceSlot(const Checkpoint& checkpoint, const QuantizePlan& plan, const GlobalScales& globals,
                   std::string_view slot, const InputStatistics& inputs, const QuantizeRun& run, EditedSource& edited) {
  std::optional<ErrorWeights> known;
  for (const TensorPrecision& tensor : plan.map.tensors) {
    if (!tensor.quantised() || tensor.joined != slot) continue;
    if (!known) known = KnownErrors(inputs, plan, run.pool);
    OCTET_TRY(ReplaceByCodes(checkpoint, tensor, globals, *known, run.pool, edited));
  }
  return {};
}

}  // namespace

Result<ChoiceTrial> ChoiceTrial::Start(const Checkpoint& checkpoint, const CalibrationText& windows,
                                       const QuantizeRun& run) {
  StreamedModel model = OCTET_TRY(OpenStreamed(checkpoint, ComputeType::kAuto, run));
  ChoiceTrial trial(checkpoint, run, std::move(model.decoder));
  trial.weights_ = std::move(model.weights);
  trial.context_ = std::move(model.context);
  SplitText split = HoldOut(windows);
  if (split.calibrated.size() > kMostCalibrated) split.calibrated.resize(kMostCalibrated);
  trial.calibrated_ = std::move(split.calibrated);
  trial.held_out_ = std::move(split.held_out);
  OCTET_TRY(trial.decoder_.LoadHead(*trial.weights_));
  std::vector<int32_t> tokens;
  for (const std::vector<int32_t>& window : trial.held_out_) tokens.insert(tokens.end(), window.begin(), window.end());
  trial.first_.resize(tokens.size() * trial.decoder_.spec().hidden);
  OCTET_TRY(trial.decoder_.Embed(tokens, trial.context_->kernels, trial.first_.data()));
  trial.last_ = trial.first_;
  for (size_t layer = 0; layer < trial.decoder_.spec().layers.size(); ++layer)
    OCTET_TRY(trial.Forward(layer, *trial.weights_, trial.last_));
  return trial;
}

uint64_t ChoiceTrial::tokens() const {
  const uint64_t runs = std::size(kLayerParts) + 1;
  return (runs * TokensOf(calibrated_) + TokensOf(held_out_)) * decoder_.spec().layers.size();
}

Status ChoiceTrial::Forward(size_t layer, WeightProvider& weights, std::vector<float>& stream) {
  OCTET_TRY(decoder_.Load(layer, weights));
  float* hidden = stream.data();
  for (const std::vector<int32_t>& window : held_out_) {
    OCTET_TRY(run_.cancel.Check());
    OCTET_TRY(decoder_.Forward(window, *context_, hidden, nullptr));
    hidden += window.size() * decoder_.spec().hidden;
  }
  return {};
}

Result<double> ChoiceTrial::Divergence(const QuantizePlan& plan) {
  const GlobalScales globals = OCTET_TRY(MeasureGlobalScales(*checkpoint_.tensors, plan.map, run_));
  CalibrationPass pass = OCTET_TRY(CalibrationPass::Start(
      checkpoint_, calibrated_, {.wanted = {.moments = true}, .advances = false, .compares = true}, run_));
  EditedSource edited(*checkpoint_.tensors);
  Checkpoint rounded = checkpoint_;
  rounded.tensors = std::shared_ptr<const TensorSource>(checkpoint_.tensors, &edited);
  CheckpointWeights weights =
      OCTET_TRY(CheckpointWeights::Open(rounded, decoder_.spec(), ComputeType::kAuto, run_.pool));
  weights.UseOwnMemory();
  std::vector<std::vector<float>> stream = {first_};
  const auto advance = [&](size_t tokens) { run_.progress.Advance(tokens); };
  for (size_t layer = 0; layer < pass.layers(); ++layer) {
    for (const std::string_view part : kLayerParts) {
      const InputStatistics inputs = OCTET_TRY(pass.MeasurePart(part, weights, advance));
      OCTET_TRY(ReplaceSlot(checkpoint_, plan, globals, LayerSlot(layer, part), inputs, run_, edited));
    }
    OCTET_TRY(pass.Advance(&weights, advance));
    OCTET_TRY(Forward(layer, weights, stream.front()));
    run_.progress.Advance(TokensOf(held_out_));
    for (const TensorPrecision& tensor : plan.map.tensors) {
      if (tensor.joined.starts_with(LayerSlot(layer, ""))) edited.Forget(tensor.source);
    }
  }
  return OCTET_TRY(DivergencesOf({decoder_, *context_, run_}, last_, stream, /*every=*/1)).front();
}

}  // namespace octet
