#include "quantize/code_rounding.h"

#include "quantize/round_trip.h"

namespace octet {
namespace {

// What has changed in the inputs is learned from few tokens, and must not be believed where little of it was seen: with
// the damping of the codes themselves NVFP4 gets worse.
constexpr double kDriftDamping = 1;

}  // namespace

ErrorWeights KnownErrors(const InputStatistics& inputs, const QuantizePlan& plan, ThreadPool& pool) {
  const FactorOptions options{.damping = plan.recipe->damping, .by_size = plan.choices.rounds_by_size};
  ErrorWeights known{.squares = inputs.MeanSquares(),
                     .factor = FactorMoments(inputs.moments, inputs.width, options, pool)};
  if (inputs.drift.empty()) return known;
  known.correction =
      options.damping == kDriftDamping
          ? DriftCorrection(inputs.drift, *known.factor, pool)
          : DriftCorrection(inputs.drift, FactorMoments(inputs.moments, inputs.width, {.damping = kDriftDamping}, pool),
                            pool);
  return known;
}

Status ReplaceByCodes(const Checkpoint& checkpoint, const TensorPrecision& tensor, const GlobalScales& globals,
                      const ErrorWeights& known, ThreadPool& pool, EditedSource& edited) {
  const float global = HasTensorScale(*tensor.encoding) ? globals.at(tensor.name) : 1.0F;
  std::vector<float> floats(ElementCount(tensor.shape).value_or(0));
  OCTET_TRY(checkpoint.tensors->ReadRows(tensor.source, 0, RowCount(tensor.shape), floats.data()));
  const std::vector<float> rounded = OCTET_TRY(RoundTrip(tensor, floats, global, &known, pool));
  std::vector<Bf16> decoded;
  decoded.reserve(rounded.size());
  for (const float value : rounded) decoded.push_back(ToBf16(value));
  edited.Replace(tensor.source, std::move(decoded));
  return {};
}

}  // namespace octet
