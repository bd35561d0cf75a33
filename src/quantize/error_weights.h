// What errors of rounding count, for encoders that know the inputs of their matrix.
//
//   ErrorWeights inputs{.squares = statistics.MeanSquares(), .factor = FactorMoments(...)};
//   EncodedNvfp4 encoded = OCTET_TRY(EncodeNvfp4Rows(weights, rows, columns, global, pool, &inputs));
//
// Where they come from: quantize/input_statistics.h, quantize/gptq.h.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "quantize/gptq.h"

namespace octet {

struct ErrorWeights {
  std::vector<float> squares = {};         // mean square of each input
  std::optional<ErrorFactor> factor = {};  // errors are compensated by it
  std::vector<float> correction = {};      // with a factor: of what changed inputs do, before rounding; empty for 0
};

// Those of inputs first .. first + count - 1; empty where nothing is known.
inline std::span<const float> SquaresOf(const ErrorWeights* inputs, size_t first, size_t count) {
  if (inputs == nullptr || inputs->squares.empty()) return {};
  return std::span(inputs->squares).subspan(first, count);
}

// The weights that compensation starts from: those whose products with the changed inputs are nearest to the
// original's. The weights themselves where nothing is known of a change.
inline std::vector<float> Corrected(std::span<const float> weights, const ErrorWeights* inputs, ThreadPool& pool) {
  std::vector<float> corrected(weights.begin(), weights.end());
  if (inputs != nullptr && inputs->factor && !inputs->correction.empty())
    AddCorrection(weights, inputs->correction, inputs->factor->width, pool, corrected);
  return corrected;
}

// Of corrected weights, those that become codes instead, already rounded by round(row, column, weight); without a
// factor as they are.
template <class Round>
void CompensateCorrected(std::span<float> corrected, const ErrorWeights* inputs, ThreadPool& pool, Round&& round) {
  if (inputs != nullptr && inputs->factor) RoundWithCompensation(corrected, *inputs->factor, pool, round);
}

// Both, for scales that are those of the weights; empty without a factor.
template <class Round>
std::vector<float> Compensate(std::span<const float> weights, const ErrorWeights* inputs, ThreadPool& pool,
                              Round&& round) {
  if (inputs == nullptr || !inputs->factor) return {};
  std::vector<float> rounded = Corrected(weights, inputs, pool);
  CompensateCorrected(rounded, inputs, pool, round);
  return rounded;
}

}  // namespace octet
