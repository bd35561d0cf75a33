// Integer storage of a weight matrix: INT8 codes with one scale per row (output channel), or INT4 codes with one per
// group of consecutive columns (inputs) of a row.
//
//   EncodedIntegers encoded = OCTET_TRY(EncodeInt4Groups(weights, rows, columns, 32, pool));
//   // weights[r, c] is about encoded.codes[r * columns + c] * ToFloat(encoded.scales[r * groups + c / 32])
//
// The last group of a row may be shorter than the others. Scales are BF16, since readers hold them in the model's type:
// codes are chosen for the scale that is stored. How codes are packed: formats/packed_integers.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "numeric/bf16.h"
#include "quantize/error_weights.h"
#include "quantize/row_encoding.h"

namespace octet {

struct EncodedIntegers {
  std::vector<int8_t> codes;  // [rows, columns]
  std::vector<Bf16> scales;   // [rows, groups], multipliers
  RoundingNoise noise;
};

// code = the nearest integer to weight / scale in -127 .. 127, ties to even; scale = amax / 127 of the row, 1 for a row
// of zeros. Where the inputs have a factor (quantize/error_weights.h), errors are compensated, and the row is that of
// the corrected weights. Fails with corrupt, naming the place, where a weight is NaN or infinite.
Result<EncodedIntegers> EncodeInt8Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                       const ErrorWeights* inputs = nullptr);

// code = the nearest integer to weight / scale in -8 .. 7, ties to even. The group's scale is the one of least squared
// error among those that put its largest weight at -8, -7.75 .. -6 or at 7, 6.75 .. 6, 1 for a group of zeros
// (docs/decisions/int4-group-scales.md). Where the inputs are known, errors are weighed by them, and compensated where
// they have a factor (quantize/error_weights.h); scales that put the largest weight at -8.5 .. -13 or at 7.5 .. 11,
// where it saturates, are tried too then. Cost: about 15 encodings of each weight, 30 with those. Fails as above.
Result<EncodedIntegers> EncodeInt4Groups(std::span<const float> weights, size_t rows, size_t columns, size_t group,
                                         ThreadPool& pool, const ErrorWeights* inputs = nullptr);

// Appends what the codes stand for, rounded to BF16; INT8 has one group of all columns.
void AppendDecoded(const EncodedIntegers& encoded, size_t rows, size_t columns, size_t group, std::vector<Bf16>& to);

}  // namespace octet
