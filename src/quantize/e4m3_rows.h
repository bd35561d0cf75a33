// FP8 storage of a weight matrix: E4M3 codes with one FP32 scale per row (output channel), or per block of 128 x 128.
//
//   EncodedRows encoded = OCTET_TRY(EncodeE4M3Rows(weights, rows, columns, pool));
//   // weights[r, c] is about ToFloat(E4M3{encoded.codes[r * columns + c]}) * encoded.scales[r]
//
// The format itself: numeric/fp8.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "numeric/bf16.h"
#include "quantize/error_weights.h"
#include "quantize/row_encoding.h"

namespace octet {

struct EncodedRows {
  std::vector<uint8_t> codes;  // [rows, columns]
  std::vector<float> scales;   // [rows], or one of each block, multipliers
  RoundingNoise noise;
};

// code = ToE4M3(weight / scale), as compressed-tensors' and vLLM's per-channel FP8 read it. The row's scale is the one
// of least squared error among amax / 448 * 2^(i / 8), i = 0 .. 7 (1 for a row of zeros): none clips, and the spread
// between them is what amax alone leaves to chance (docs/decisions/fp8-row-scales.md). Where the inputs have a factor
// (quantize/error_weights.h), errors are compensated, and the row is that of the corrected weights. Cost: about 9
// encodings of each weight. Fails with corrupt, naming the place, where a weight is NaN or infinite.
Result<EncodedRows> EncodeE4M3Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                   const ErrorWeights* inputs = nullptr);

// Appends what the codes of rows stand for, rounded to BF16.
void AppendDecoded(const EncodedRows& encoded, size_t rows, size_t columns, std::vector<Bf16>& to);

// amax / 448; 1 where that isn't a normal number, as of zeros. Of a tensor's weights, and of its inputs.
float E4M3TensorScale(float amax);

// The same with a scale that all rows share: code = ToE4M3(weight / scale). EncodedRows::scales is empty.
Result<EncodedRows> EncodeE4M3Tensor(std::span<const float> weights, size_t rows, size_t columns, float scale,
                                     ThreadPool& pool);

inline constexpr size_t kE4M3BlockSide = 128;

// The same with scales [ceil(rows / 128), ceil(columns / 128)], searched alike for each block, 1 where amax / 448 isn't
// a normal number; the last blocks of both axes may be shorter. Requires rows that begin with a block. Cost: about 9
// encodings of each weight.
Result<EncodedRows> EncodeE4M3Blocks(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool);

}  // namespace octet
