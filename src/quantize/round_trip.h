// What a matrix is once it was encoded and decoded: for who weighs encodings against each other before one is written.
//
//   std::vector<float> rounded = OCTET_TRY(RoundTrip(tensor, weights, global, &inputs, pool));
//
// The encoders: quantize/e4m3_rows.h, quantize/mxfp8_rows.h, quantize/nvfp4_rows.h, quantize/integer_rows.h.
#pragma once

#include <span>
#include <vector>

#include "quantize/error_weights.h"
#include "quantize/precision_map.h"

namespace octet {

// Whether the encoding's codes make up for each other's errors where a factor of the inputs is known.
constexpr bool CanCompensate(Encoding encoding) {
  return encoding != Encoding::kE4M3Tensor && encoding != Encoding::kE4M3Blocks;
}

// Rows [rows, columns of the tensor] as the tensor's encoding leaves them: the very numbers of INT8 and E4M3, those of
// INT4 and NVFP4 rounded to BF16. `global` is the tensor's scale where it has one (quantize/global_scales.h), `inputs`
// what is known of the inputs, or null. Requires a quantised tensor; of E4M3 in blocks rows that begin with a block.
// Fails with corrupt, naming the place, where a weight is NaN or infinite.
Result<std::vector<float>> RoundTrip(const TensorPrecision& tensor, std::span<const float> weights, float global,
                                     const ErrorWeights* inputs, ThreadPool& pool);

}  // namespace octet
