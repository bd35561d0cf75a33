#include "quantize/mxfp8_rows.h"

#include <algorithm>

#include "base/checked.h"
#include "numeric/mx.h"

namespace octet {

Result<EncodedMxfp8> EncodeMxfp8Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool) {
  OCTET_CHECK(weights.size() == rows * columns);
  const size_t blocks = CeilDivide(columns, kMxBlock);
  EncodedMxfp8 encoded{
      .codes = std::vector<uint8_t>(weights.size()), .scales = std::vector<uint8_t>(rows * blocks), .noise = {}};
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    RoundingNoise noise;
    for (size_t column = 0; column < columns; ++column) {
      uint8_t& stored = encoded.scales[row * blocks + column / kMxBlock];
      if (column % kMxBlock == 0)
        stored = Mxfp8Scale(LargestMagnitude(values.subspan(column, std::min(kMxBlock, columns - column)))).bits;
      const float scale = ToFloat(E8M0{stored});
      const E4M3 code = ToE4M3(values[column] / scale);
      encoded.codes[row * columns + column] = code.bits;
      noise.Add(values[column], ToFloat(code) * scale);
    }
    return noise;
  }));
  return encoded;
}

}  // namespace octet
