#include "quantize/nvfp4_rows.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "numeric/e2m1.h"
#include "numeric/fp8.h"

namespace octet {
namespace {

// Smallest E4M3 number above zero: no reader divides by zero.
constexpr E4M3 kLeastScale{1};

E4M3 BlockScale(std::span<const float> block, float global) {
  const E4M3 scale = ToE4M3(LargestMagnitude(block) / kE2M1Max * global);
  return scale.bits == 0 ? kLeastScale : scale;
}

// One block: its codes go to the halves of bytes from column `first` of the row on.
RoundingNoise EncodeBlock(std::span<const float> block, float scale, size_t first, uint8_t* row_codes) {
  RoundingNoise noise;
  for (size_t i = 0; i < block.size(); ++i) {
    const E2M1 code = ToE2M1(block[i] / scale);
    const size_t column = first + i;
    row_codes[column / 2] |= static_cast<uint8_t>(code.bits << (column % 2 * 4));
    noise.Add(block[i], ToFloat(code) * scale);
  }
  return noise;
}

}  // namespace

float Nvfp4GlobalScale(float amax) {
  const float global = kE2M1Max * kE4M3Max * (1 / amax);  // rounded twice, as compressed-tensors does it
  return std::isfinite(global) ? global : 1.0F;
}

Result<EncodedNvfp4> EncodeNvfp4Rows(std::span<const float> weights, size_t rows, size_t columns, float global,
                                     ThreadPool& pool) {
  OCTET_CHECK(weights.size() == rows * columns);
  const size_t row_bytes = CeilDivide(columns, 2), blocks = CeilDivide(columns, kNvfp4BlockColumns);
  EncodedNvfp4 encoded{
      .codes = std::vector<uint8_t>(rows * row_bytes), .scales = std::vector<uint8_t>(rows * blocks), .noise = {}};
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    RoundingNoise noise;
    for (size_t index = 0; index < blocks; ++index) {
      const size_t first = index * kNvfp4BlockColumns;
      const std::span<const float> block = values.subspan(first, std::min(kNvfp4BlockColumns, columns - first));
      const E4M3 scale = BlockScale(block, global);
      encoded.scales[row * blocks + index] = scale.bits;
      noise.Add(EncodeBlock(block, ToFloat(scale) / global, first, encoded.codes.data() + row * row_bytes));
    }
    return noise;
  }));
  return encoded;
}

}  // namespace octet
