#include "quantize/mxfp8_rows.h"

#include <algorithm>

#include "base/checked.h"
#include "numeric/mx.h"

namespace octet {

Result<EncodedMxfp8> EncodeMxfp8Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                     const ErrorWeights* inputs) {
  OCTET_CHECK(weights.size() == rows * columns);
  const size_t blocks = CeilDivide(columns, kMxBlock);
  EncodedMxfp8 encoded{
      .codes = std::vector<uint8_t>(weights.size()), .scales = std::vector<uint8_t>(rows * blocks), .noise = {}};
  const auto scale_of = [&](size_t row, size_t column) {
    return ToFloat(E8M0{encoded.scales[row * blocks + column / kMxBlock]});
  };
  OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    for (size_t column = 0; column < columns; column += kMxBlock) {
      const float amax = LargestMagnitude(values.subspan(column, std::min(kMxBlock, columns - column)));
      encoded.scales[row * blocks + column / kMxBlock] = Mxfp8Scale(amax).bits;
    }
    return RoundingNoise();
  }));
  const std::vector<float> targets = Compensate(weights, inputs, pool, [&](size_t row, size_t column, float weight) {
    const float scale = scale_of(row, column);
    return ToFloat(ToE4M3(weight / scale)) * scale;
  });
  const std::span<const float> rounded = targets.empty() ? weights : std::span<const float>(targets);
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    RoundingNoise noise;
    for (size_t column = 0; column < columns; ++column) {
      const float scale = scale_of(row, column);
      const E4M3 code = ToE4M3(rounded[row * columns + column] / scale);
      encoded.codes[row * columns + column] = code.bits;
      noise.Add(values[column], ToFloat(code) * scale);
    }
    return noise;
  }));
  return encoded;
}

void AppendDecoded(const EncodedMxfp8& encoded, size_t rows, size_t columns, std::vector<Bf16>& to) {
  const size_t blocks = CeilDivide(columns, kMxBlock);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const float scale = ToFloat(E8M0{encoded.scales[row * blocks + column / kMxBlock]});
      to.push_back(ToBf16(ToFloat(E4M3{encoded.codes[row * columns + column]}) * scale));
    }
  }
}

}  // namespace octet
