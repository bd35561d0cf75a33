// What the encoders of matrices share: rows over the threads, weights that are no numbers, sums of the error.
//
//   RoundingNoise noise = OCTET_TRY(EncodeRows(weights, columns, pool, [&](size_t row, std::span<const float> values) {
//     return Encode(values, codes + row * columns);   // RoundingNoise of this row
//   }));
//
// The encoders: quantize/e4m3_rows.h, quantize/nvfp4_rows.h, quantize/integer_rows.h.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace octet {

// Sums over weights: of their squares, and of the squares of what rounding changed.
struct RoundingNoise {
  double signal = 0;
  double noise = 0;

  void Add(const RoundingNoise& other) {
    signal += other.signal;
    noise += other.noise;
  }
  void Add(float weight, float rounded) {
    const double change = static_cast<double>(weight) - rounded;
    signal += static_cast<double>(weight) * weight;
    noise += change * change;
  }
  // 10 log10(signal / noise); infinity where nothing changed.
  double Decibels() const;
};

// Column of the first NaN or infinity, or the number of columns.
size_t FirstNotFinite(std::span<const float> row);

float LargestMagnitude(std::span<const float> values);

// Requires as many of either.
double SquaredDistance(std::span<const float> a, std::span<const float> b);

namespace internal {
// The sum in the rows' order, so that a report is the same for any number of threads; the error of EncodeRows.
Result<RoundingNoise> SumRows(std::span<const float> weights, size_t columns, std::span<const size_t> first_bad,
                              std::span<const RoundingNoise> rows);
}  // namespace internal

// Calls encode(row, values) for every row of weights [rows, columns] whose values are numbers, rows in parallel. Fails
// with corrupt, naming the place, where a weight is NaN or infinite.
template <class Encode>
Result<RoundingNoise> EncodeRows(std::span<const float> weights, size_t columns, ThreadPool& pool, Encode&& encode) {
  const size_t rows = columns == 0 ? 0 : weights.size() / columns;
  std::vector<RoundingNoise> noise(rows);
  std::vector<size_t> first_bad(rows, columns);
  pool.ForEachShare(rows, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const std::span<const float> values = weights.subspan(row * columns, columns);
      first_bad[row] = FirstNotFinite(values);
      if (first_bad[row] == columns) noise[row] = encode(row, values);
    }
  });
  return internal::SumRows(weights, columns, first_bad, noise);
}

// The error of EncodeRows, before anything is done with the weights.
inline Status CheckRows(std::span<const float> weights, size_t columns, ThreadPool& pool) {
  OCTET_TRY(EncodeRows(weights, columns, pool, [](size_t, std::span<const float>) { return RoundingNoise(); }));
  return {};
}

}  // namespace octet
