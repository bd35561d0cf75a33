// NVFP4 storage of a weight matrix: E2M1 codes, an E4M3 scale for each block of 16 consecutive columns (inputs) of a
// row, and one FP32 number for the whole tensor.
//
//   const float global = Nvfp4GlobalScale(amax);
//   EncodedNvfp4 encoded = OCTET_TRY(EncodeNvfp4Rows(weights, rows, columns, global, pool));
//   // weights[r, c] is about its code * scale of (r, c / 16) / global
//
// The numbers are those of compressed-tensors and ModelOpt (which stores 1 / global), but for the scales, which they
// take as amax / 6 (docs/decisions/nvfp4-block-scales.md). The formats themselves: numeric/e2m1.h, numeric/fp8.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "numeric/bf16.h"
#include "quantize/error_weights.h"
#include "quantize/row_encoding.h"

namespace octet {

inline constexpr size_t kNvfp4BlockColumns = 16;

struct EncodedNvfp4 {
  std::vector<uint8_t> codes;   // [rows, ceil(columns / 2)], the even column in the lower half of a byte
  std::vector<uint8_t> scales;  // [rows, ceil(columns / 16)], E4M3, 2^-9 to 448
  RoundingNoise noise;
};

// 6 * 448 * (1 / amax), which puts the scale of the block that holds the largest weight at the end of E4M3's range; 1
// for tensors of zeros and of numbers too small.
float Nvfp4GlobalScale(float amax);

// scale: of the E4M3 number nearest to amax / 6 of the block, times global, at least 2^-9, and the seven above it, the
// one of least squared error, the first of equals; code = ToE2M1(weight / (scale / global)). The last block of a row
// may be shorter. Where the inputs are known, errors are weighed by them, and compensated where they have a factor
// (quantize/error_weights.h), and the four numbers below, which clip the largest weight, are tried too. Fails with
// corrupt, naming the place, where a weight is NaN or infinite.
Result<EncodedNvfp4> EncodeNvfp4Rows(std::span<const float> weights, size_t rows, size_t columns, float global,
                                     ThreadPool& pool, const ErrorWeights* inputs = nullptr);

// Appends what the codes stand for, rounded to BF16.
void AppendDecoded(const EncodedNvfp4& encoded, size_t rows, size_t columns, float global, std::vector<Bf16>& to);

}  // namespace octet
