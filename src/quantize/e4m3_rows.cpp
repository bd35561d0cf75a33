#include "quantize/e4m3_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "numeric/fp8.h"

namespace octet {
namespace {

using DecodeTable = std::array<float, 256>;

DecodeTable MakeDecodeTable() {
  DecodeTable table{};
  for (size_t bits = 0; bits < table.size(); ++bits) table[bits] = ToFloat(E4M3{static_cast<uint8_t>(bits)});
  return table;
}

// Sum of the squares of what rounding changes, given up once it reaches `limit`.
double Noise(std::span<const float> row, float scale, double limit, const DecodeTable& decode) {
  constexpr size_t kBetweenLooks = 64;
  double noise = 0;
  for (size_t begin = 0; begin < row.size() && noise < limit; begin += kBetweenLooks) {
    const size_t end = std::min(begin + kBetweenLooks, row.size());
    for (size_t column = begin; column < end; ++column) {
      const float change = row[column] - decode[ToE4M3(row[column] / scale).bits] * scale;
      noise += static_cast<double>(change) * change;
    }
  }
  return noise;
}

// The grid of E4M3 repeats at each power of two, but for its ends, so that one octave of scales has every way that the
// weights can lie between its points. The first is the smallest that clips nothing. noise_of(scale, limit) sums over
// all weights that share it.
template <class NoiseOf>
float LeastSquaresScale(float smallest, NoiseOf&& noise_of) {
  constexpr int kStepsInOctave = 8;
  float best = smallest;
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step < kStepsInOctave; ++step) {
    const float scale = smallest * static_cast<float>(std::exp2(static_cast<double>(step) / kStepsInOctave));
    const double noise = noise_of(scale, least);
    if (noise < least) {
      least = noise;
      best = scale;
    }
  }
  return best;
}

float RowScale(std::span<const float> row, const DecodeTable& decode) {
  const float smallest = LargestMagnitude(row) / kE4M3Max;
  if (smallest < std::numeric_limits<float>::min())
    return smallest == 0 ? 1 : smallest;  // 0 also where the quotient underflows
  return LeastSquaresScale(smallest, [&](float scale, double limit) { return Noise(row, scale, limit, decode); });
}

// `targets` are what becomes codes: the weights, or what compensation made of them.
RoundingNoise EncodeRow(std::span<const float> row, std::span<const float> targets, float scale,
                        const DecodeTable& decode, uint8_t* codes) {
  RoundingNoise noise;
  for (size_t column = 0; column < row.size(); ++column) {
    codes[column] = ToE4M3(targets[column] / scale).bits;
    noise.Add(row[column], decode[codes[column]] * scale);
  }
  return noise;
}

// Scales of the blocks whose first row is `row`.
void FindBlockScales(std::span<const float> weights, size_t row, size_t columns, const DecodeTable& decode,
                     std::span<float> scales) {
  const size_t rows = weights.size() / columns, end = std::min(row + kE4M3BlockSide, rows);
  for (size_t block = 0; block < scales.size(); ++block) {
    const size_t first = block * kE4M3BlockSide, count = std::min(kE4M3BlockSide, columns - first);
    float amax = 0;
    for (size_t r = row; r < end; ++r)
      amax = std::max(amax, LargestMagnitude(weights.subspan(r * columns + first, count)));
    const float smallest = amax / kE4M3Max;
    const auto noise = [&](float scale, double limit) {
      double sum = 0;
      for (size_t r = row; r < end && sum < limit; ++r)
        sum += Noise(weights.subspan(r * columns + first, count), scale, limit - sum, decode);
      return sum;
    };
    scales[block] = smallest < std::numeric_limits<float>::min() ? 1 : LeastSquaresScale(smallest, noise);
  }
}

}  // namespace

Result<EncodedRows> EncodeE4M3Blocks(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool) {
  OCTET_CHECK(weights.size() == rows * columns);
  const size_t row_blocks = CeilDivide(rows, kE4M3BlockSide), blocks = CeilDivide(columns, kE4M3BlockSide);
  EncodedRows encoded{
      .codes = std::vector<uint8_t>(weights.size()), .scales = std::vector<float>(row_blocks * blocks), .noise = {}};
  const DecodeTable decode = MakeDecodeTable();
  pool.ForEachShare(row_blocks, [&](size_t begin, size_t end) {
    for (size_t block = begin; block < end; ++block)
      FindBlockScales(weights, block * kE4M3BlockSide, columns, decode,
                      std::span(encoded.scales).subspan(block * blocks, blocks));
  });
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    const float* scales = encoded.scales.data() + row / kE4M3BlockSide * blocks;
    RoundingNoise noise;
    for (size_t block = 0; block < blocks; ++block) {
      const size_t first = block * kE4M3BlockSide, count = std::min(kE4M3BlockSide, columns - first);
      const std::span<const float> part = values.subspan(first, count);
      noise.Add(EncodeRow(part, part, scales[block], decode, encoded.codes.data() + row * columns + first));
    }
    return noise;
  }));
  return encoded;
}

Result<EncodedRows> EncodeE4M3Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool,
                                   const ErrorWeights* inputs) {
  OCTET_CHECK(weights.size() == rows * columns);
  EncodedRows encoded{.codes = std::vector<uint8_t>(weights.size()), .scales = std::vector<float>(rows), .noise = {}};
  const DecodeTable decode = MakeDecodeTable();
  OCTET_TRY(CheckRows(weights, columns, pool));
  std::vector<float> targets = Corrected(weights, inputs, pool);
  const auto row_of = [&](size_t row) { return std::span<const float>(targets).subspan(row * columns, columns); };
  pool.ForEachShare(rows, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) encoded.scales[row] = RowScale(row_of(row), decode);
  });
  CompensateCorrected(targets, inputs, pool, [&](size_t row, size_t, float weight) {
    return decode[ToE4M3(weight / encoded.scales[row]).bits] * encoded.scales[row];
  });
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    return EncodeRow(values, row_of(row), encoded.scales[row], decode, encoded.codes.data() + row * columns);
  }));
  return encoded;
}

void AppendDecoded(const EncodedRows& encoded, size_t rows, size_t columns, std::vector<Bf16>& to) {
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column)
      to.push_back(ToBf16(ToFloat(E4M3{encoded.codes[row * columns + column]}) * encoded.scales[row]));
  }
}

float E4M3TensorScale(float amax) {
  const float scale = amax / kE4M3Max;
  return std::isnormal(scale) ? scale : 1.0F;
}

Result<EncodedRows> EncodeE4M3Tensor(std::span<const float> weights, size_t rows, size_t columns, float scale,
                                     ThreadPool& pool) {
  OCTET_CHECK(weights.size() == rows * columns);
  EncodedRows encoded{.codes = std::vector<uint8_t>(weights.size()), .scales = {}, .noise = {}};
  const DecodeTable decode = MakeDecodeTable();
  encoded.noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
    return EncodeRow(values, values, scale, decode, encoded.codes.data() + row * columns);
  }));
  return encoded;
}

}  // namespace octet
