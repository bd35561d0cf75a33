#include "quantize/nvfp4_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "numeric/e2m1.h"
#include "numeric/fp8.h"

namespace octet {
namespace {

// Smallest E4M3 number above zero: no reader divides by zero.
constexpr E4M3 kLeastScale{1};
constexpr int kE4M3MaxBits = 0x7E;  // 448

E4M3 SmallestScale(std::span<const float> block, float global) {
  const E4M3 scale = ToE4M3(LargestMagnitude(block) / kE2M1Max * global);
  return scale.bits == 0 ? kLeastScale : scale;
}

// The magnitude that ToE2M1 rounds to, found without its table since scales are tried for every weight. Adding and
// taking away 1.5 * 2^23 rounds to a whole number, ties to even.
float RoundedMagnitude(float x) {
  constexpr float kWhole = 12582912.0F;
  const float magnitude = std::min(std::fabs(x), kE2M1Max);
  const float step = magnitude < 2 ? 0.5F : magnitude < 4 ? 1.0F : 2.0F;
  return (magnitude / step + kWhole - kWhole) * step;
}

// Of a block whose inputs have these mean squares; empty for 1.
double SquaredNoise(std::span<const float> block, std::span<const float> squares, float scale) {
  double noise = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    const float change = std::fabs(block[i]) - RoundedMagnitude(block[i] / scale) * scale;
    noise += static_cast<double>(change) * change * (squares.empty() ? 1.0F : squares[i]);
  }
  return noise;
}

// The grid of E2M1 repeats at each power of two, but for its ends: one octave of scales, the eight E4M3 numbers from
// the smallest on that clips nothing, has every way that the weights can lie between its points. Where the inputs are
// known, four more below it clip the largest weight.
E4M3 LeastSquaresScale(std::span<const float> block, std::span<const float> squares, float global) {
  constexpr int kStepsInOctave = 8, kClippedSteps = 4;
  const E4M3 smallest = SmallestScale(block, global);
  E4M3 best = smallest;
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](int bits) {
    if (bits < kLeastScale.bits || bits > kE4M3MaxBits) return;
    const E4M3 scale{static_cast<uint8_t>(bits)};
    const double noise = SquaredNoise(block, squares, ToFloat(scale) / global);
    if (noise < least) {
      least = noise;
      best = scale;
    }
  };
  for (int step = 0; step < kStepsInOctave; ++step) attempt(smallest.bits + step);
  for (int step = 1; step <= kClippedSteps && !squares.empty(); ++step) attempt(smallest.bits - step);
  return best;
}

// One block: its codes go to the halves of bytes from column `first` of the row on. `targets` are what becomes codes:
// the weights, or what compensation made of them.
RoundingNoise EncodeBlock(std::span<const float> weights, std::span<const float> targets, float scale, size_t first,
                          uint8_t* row_codes) {
  RoundingNoise noise;
  for (size_t i = 0; i < weights.size(); ++i) {
    const E2M1 code = ToE2M1(targets[i] / scale);
    const size_t column = first + i;
    row_codes[column / 2] |= static_cast<uint8_t>(code.bits << (column % 2 * 4));
    noise.Add(weights[i], ToFloat(code) * scale);
  }
  return noise;
}

}  // namespace

float Nvfp4GlobalScale(float amax) {
  const float global = kE2M1Max * kE4M3Max * (1 / amax);  // rounded twice, as compressed-tensors does it
  return std::isfinite(global) ? global : 1.0F;
}

Result<EncodedNvfp4> EncodeNvfp4Rows(std::span<const float> weights, size_t rows, size_t columns, float global,
                                     ThreadPool& pool, const ErrorWeights* inputs) {
  OCTET_CHECK(weights.size() == rows * columns);
  const size_t row_bytes = CeilDivide(columns, 2), blocks = CeilDivide(columns, kNvfp4BlockColumns);
  EncodedNvfp4 encoded{
      .codes = std::vector<uint8_t>(rows * row_bytes), .scales = std::vector<uint8_t>(rows * blocks), .noise = {}};
  const auto scale_of = [&](size_t row, size_t block) {
    return ToFloat(E4M3{encoded.scales[row * blocks + block]}) / global;
  };
  OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    for (size_t index = 0; index < blocks; ++index) {
      const size_t first = index * kNvfp4BlockColumns, count = std::min(kNvfp4BlockColumns, columns - first);
      encoded.scales[row * blocks + index] =
          LeastSquaresScale(values.subspan(first, count), SquaresOf(inputs, first, count), global).bits;
    }
    return RoundingNoise();
  }));
  const std::vector<float> targets = Compensate(weights, inputs, pool, [&](size_t row, size_t column, float weight) {
    const float scale = scale_of(row, column / kNvfp4BlockColumns);
    return std::copysign(RoundedMagnitude(weight / scale) * scale, weight);
  });
  const std::span<const float> rounded = targets.empty() ? weights : std::span<const float>(targets);
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    RoundingNoise noise;
    for (size_t index = 0; index < blocks; ++index) {
      const size_t first = index * kNvfp4BlockColumns, count = std::min(kNvfp4BlockColumns, columns - first);
      noise.Add(EncodeBlock(values.subspan(first, count), rounded.subspan(row * columns + first, count),
                            scale_of(row, index), first, encoded.codes.data() + row * row_bytes));
    }
    return noise;
  }));
  return encoded;
}

void AppendDecoded(const EncodedNvfp4& encoded, size_t rows, size_t columns, float global, std::vector<Bf16>& to) {
  const size_t row_bytes = CeilDivide(columns, 2), blocks = CeilDivide(columns, kNvfp4BlockColumns);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const E4M3 scale{encoded.scales[row * blocks + column / kNvfp4BlockColumns]};
      const int pair = encoded.codes[row * row_bytes + column / 2];
      const E2M1 code{static_cast<uint8_t>(pair >> column % 2 * 4 & 15)};
      to.push_back(ToBf16(ToFloat(code) * (ToFloat(scale) / global)));
    }
  }
}

}  // namespace octet
