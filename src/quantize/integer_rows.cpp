#include "quantize/integer_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "numeric/int8.h"

namespace octet {
namespace {

// Where on the grid of codes the largest weight of a group may fall: none clips it, and one of the other sign, which
// ends at 7 where this one ends at -8, by a step at most.
constexpr float kInt4Ends[] = {-8, -7.75F, -7.5F, -7.25F, -7, -6.75F, -6.5F, -6.25F, -6, 7, 6.75F, 6.5F, 6.25F, 6};
// And where it may fall beyond the grid, for a group whose errors are weighed by its inputs: it saturates there, and
// the others have finer steps.
constexpr float kInt4ClippedEnds[] = {-8.5F, -9, -9.5F, -10, -10.5F, -11, -12, -13, 7.5F, 8, 8.5F, 9, 9.5F, 10, 11};
constexpr float kInt4Lowest = -8, kInt4Highest = 7;

// The scale as it is stored; 1 where it is too small to divide by.
Bf16 StoredScale(float scale) {
  const Bf16 stored = ToBf16(scale);
  return std::fabs(ToFloat(stored)) < std::numeric_limits<float>::min() ? ToBf16(1) : stored;
}

// Adding it to a small number leaves no bits behind the point: rounds to nearest, ties to even, without a call.
constexpr float kRoundToInteger = 0x1.8p23F;

float Int4Code(float weight, float scale) {
  const float code = std::clamp(weight / scale, kInt4Lowest, kInt4Highest);
  return (code + kRoundToInteger) - kRoundToInteger;
}

// Sum of the squares of what rounding changes, times the mean squares of the inputs; empty for 1.
double Noise(std::span<const float> group, std::span<const float> squares, float scale) {
  double noise = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    const double change = group[i] - Int4Code(group[i], scale) * scale;
    noise += change * change * (squares.empty() ? 1.0F : squares[i]);
  }
  return noise;
}

// The first weight of the largest magnitude.
float LargestWeight(std::span<const float> group) {
  float largest = 0;
  for (const float weight : group) {
    if (std::fabs(weight) > std::fabs(largest)) largest = weight;
  }
  return largest;
}

// The scale of least squared error, of those that put the largest weight at one of the ends.
struct ScaleSearch {
  std::span<const float> group, squares;  // squares: of the inputs, empty for 1
  float largest = LargestWeight(group);
  Bf16 best = ToBf16(1);
  double least = std::numeric_limits<double>::infinity();

  void Try(std::span<const float> ends) {
    for (const float end : ends) {
      const Bf16 scale = StoredScale(largest / end);
      const double noise = Noise(group, squares, ToFloat(scale));
      if (noise < least) {
        least = noise;
        best = scale;
      }
    }
  }
};

Bf16 Int4Scale(std::span<const float> group, std::span<const float> squares, bool may_clip) {
  ScaleSearch search{group, squares};
  search.Try(kInt4Ends);
  if (may_clip) search.Try(kInt4ClippedEnds);
  return search.best;
}

// `targets` are what becomes codes: the weights, or what compensation made of them.
RoundingNoise EncodeInt4Group(std::span<const float> weights, std::span<const float> targets, float scale,
                              int8_t* codes) {
  RoundingNoise noise;
  for (size_t i = 0; i < weights.size(); ++i) {
    codes[i] = static_cast<int8_t>(Int4Code(targets[i], scale));
    noise.Add(weights[i], static_cast<float>(codes[i]) * scale);
  }
  return noise;
}

}  // namespace

Result<EncodedIntegers> EncodeInt8Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                       const ErrorWeights* inputs) {
  OCTET_CHECK(weights.size() == rows * columns);
  EncodedIntegers encoded{.codes = std::vector<int8_t>(weights.size()), .scales = std::vector<Bf16>(rows), .noise = {}};
  OCTET_TRY(CheckRows(weights, columns, pool));
  std::vector<float> targets = Corrected(weights, inputs, pool);
  pool.ForEachShare(rows, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row)
      encoded.scales[row] =
          StoredScale(LargestMagnitude(std::span(targets).subspan(row * columns, columns)) / kInt8Max);
  });
  CompensateCorrected(targets, inputs, pool, [&](size_t row, size_t, float weight) {
    const float scale = ToFloat(encoded.scales[row]);
    return ToFloat(ToInt8(weight / scale)) * scale;
  });
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    const float scale = ToFloat(encoded.scales[row]);
    RoundingNoise noise;
    for (size_t column = 0; column < columns; ++column) {
      const Int8 code = ToInt8(targets[row * columns + column] / scale);
      encoded.codes[row * columns + column] = code.code;
      noise.Add(values[column], ToFloat(code) * scale);
    }
    return noise;
  }));
  return encoded;
}

Result<EncodedIntegers> EncodeInt4Groups(std::span<const float> weights, size_t rows, size_t columns, size_t group,
                                         ThreadPool& pool, const ErrorWeights* inputs) {
  OCTET_CHECK(weights.size() == rows * columns && group != 0);
  const size_t groups = CeilDivide(columns, group);
  EncodedIntegers encoded{
      .codes = std::vector<int8_t>(weights.size()), .scales = std::vector<Bf16>(rows * groups), .noise = {}};
  const bool may_clip = inputs != nullptr && !inputs->squares.empty();
  OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    for (size_t index = 0; index < groups; ++index) {
      const size_t first = index * group, count = std::min(group, columns - first);
      encoded.scales[row * groups + index] =
          Int4Scale(values.subspan(first, count), SquaresOf(inputs, first, count), may_clip);
    }
    return RoundingNoise();
  }));
  const std::vector<float> targets = Compensate(weights, inputs, pool, [&](size_t row, size_t column, float weight) {
    const float scale = ToFloat(encoded.scales[row * groups + column / group]);
    return Int4Code(weight, scale) * scale;
  });
  const std::span<const float> rounded = targets.empty() ? weights : std::span<const float>(targets);
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    RoundingNoise noise;
    for (size_t index = 0; index < groups; ++index) {
      const size_t first = index * group, count = std::min(group, columns - first);
      noise.Add(EncodeInt4Group(values.subspan(first, count), rounded.subspan(row * columns + first, count),
                                ToFloat(encoded.scales[row * groups + index]),
                                encoded.codes.data() + row * columns + first));
    }
    return noise;
  }));
  return encoded;
}

void AppendDecoded(const EncodedIntegers& encoded, size_t rows, size_t columns, size_t group, std::vector<Bf16>& to) {
  const size_t groups = group == 0 ? 1 : CeilDivide(columns, group);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const float scale = ToFloat(encoded.scales[row * groups + (group == 0 ? 0 : column / group)]);
      to.push_back(ToBf16(static_cast<float>(encoded.codes[row * columns + column]) * scale));
    }
  }
}

}  // namespace octet
