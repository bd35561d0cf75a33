// MXFP8 storage of a weight matrix: E4M3 codes, a power of two for each block of 32 consecutive columns (inputs) of a
// row.
//
//   EncodedMxfp8 encoded = OCTET_TRY(EncodeMxfp8Rows(weights, rows, columns, pool));
//   // weights[r, c] is about its code * 2^(scale of (r, c / 32) - 127)
//
// The format itself: numeric/mx.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "numeric/bf16.h"
#include "quantize/error_weights.h"
#include "quantize/row_encoding.h"

namespace octet {

struct EncodedMxfp8 {
  std::vector<uint8_t> codes;   // [rows, columns]
  std::vector<uint8_t> scales;  // [rows, ceil(columns / 32)], E8M0
  RoundingNoise noise;
};

// scale = Mxfp8Scale of the block's amax, code = ToE4M3(weight / scale). The last block of a row may be shorter. Where
// the inputs are known, errors are compensated (quantize/error_weights.h); scales stay those of the weights. Fails with
// corrupt, naming the place, where a weight is NaN or infinite.
Result<EncodedMxfp8> EncodeMxfp8Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                     const ErrorWeights* inputs = nullptr);

// Appends what the codes stand for, which BF16 holds exactly but for subnormals.
void AppendDecoded(const EncodedMxfp8& encoded, size_t rows, size_t columns, std::vector<Bf16>& to);

}  // namespace octet
