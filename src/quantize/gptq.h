// Rounding a row of weights so that what one weight loses, those rounded after it make up for (GPTQ).
//
//   ErrorFactor factor = FactorMoments(inputs.moments, columns, {.by_size = true}, pool);
//   RoundWithCompensation(weights, factor, pool, [&](size_t row, size_t column, float weight) {
//     return Round(weight / scale) * scale;      // the nearest number that the format has there
//   });
//
// Minimises the squared error of the products, e H e^T of a row's rounding error e, where H holds the second moments of
// the inputs (quantize/input_statistics.h). Source: Frantar et al. 2022 (GPTQ), sections 3.2 and 3.3, algorithm 1.
//
// Inputs that rounding has changed before they come here are made up for first, by the weights that come nearest to the
// original's products on them; rounding starts from those. Source: Li et al. 2025 (GPTAQ), asymmetric calibration.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace octet {

// How an error of one weight is made up for, for a matrix of `width` inputs.
struct ErrorFactor {
  size_t width = 0;
  std::vector<uint32_t> order;  // of inputs, the one rounded first in front
  std::vector<float> upper;  // [width, width]: U with U^T U the inverse of the damped moments, both in that order; what
                             // is below the diagonal is 0
};

struct FactorOptions {
  double damping = 0.01;  // added to the diagonal, in parts of its mean: at least 1e-6
  bool by_size = false;   // inputs with the largest squares first, while most others are left to make up for them
};

// An input that was always zero is rounded alone: it makes up for nothing, and nothing for it. Requires
// moments.size() == width^2, finite and symmetric. Work: width^3 / 3 multiply-adds in double, shared by the threads;
// memory: width^2 floats beside the factor. The bits don't depend on the number of threads.
ErrorFactor FactorMoments(std::span<const float> moments, size_t width, const FactorOptions& options, ThreadPool& pool);

// What makes up for inputs x that were o in the original: with weights w + w * correction products on x are nearest to
// those of w on o, in squares, which the damping of `factor` holds near 0. `drift` [width, width]: sums of (o[i] -
// x[i]) * x[j] over the tokens whose moments the factor is of. Gives [width, width]. Work: width^3 multiply-adds.
std::vector<float> DriftCorrection(std::span<const float> drift, const ErrorFactor& factor, ThreadPool& pool);

// to [rows, width] += weights [rows, width] * correction. Work: rows * width^2 multiply-adds.
void AddCorrection(std::span<const float> weights, std::span<const float> correction, size_t width, ThreadPool& pool,
                   std::span<float> to);

inline constexpr size_t kCompensatedRows = 8;  // rounded together, so that the factor is read once for all

namespace internal {
// rows[r][k + 1 ..] -= errors[r] * upper[k + 1 ..] for each of the rows.
void SpreadErrors(const ErrorFactor& factor, size_t k, std::span<const float> errors, float* rows);

template <class Round>
void RoundRowsWithCompensation(size_t first_row, std::span<float> weights, const ErrorFactor& factor, Round& round) {
  const size_t width = factor.width, rows = weights.size() / width;
  std::vector<float> left(weights.size());  // what is still to be rounded, inputs in the factor's order
  for (size_t row = 0; row < rows; ++row) {
    for (size_t k = 0; k < width; ++k) left[row * width + k] = weights[row * width + factor.order[k]];
  }
  float errors[kCompensatedRows] = {};
  for (size_t k = 0; k < width; ++k) {
    const size_t column = factor.order[k];
    const float inverse = 1 / factor.upper[k * width + k];
    for (size_t row = 0; row < rows; ++row) {
      const float weight = left[row * width + k], rounded = round(first_row + row, column, weight);
      weights[row * width + column] = rounded;
      errors[row] = (weight - rounded) * inverse;
    }
    SpreadErrors(factor, k, {errors, rows}, left.data());
  }
}
}  // namespace internal

// Replaces weights [rows, width] by what round(row, column, weight) gives for each, called in the factor's order with
// what earlier errors of the row made of the weight. Rows are independent and shared by the threads. Work: rows *
// width^2 / 2 multiply-adds.
template <class Round>
void RoundWithCompensation(std::span<float> weights, const ErrorFactor& factor, ThreadPool& pool, Round&& round) {
  const size_t width = factor.width, rows = width == 0 ? 0 : weights.size() / width;
  const size_t blocks = (rows + kCompensatedRows - 1) / kCompensatedRows;
  pool.ForEachShare(blocks, [&](size_t begin, size_t end) {
    for (size_t block = begin; block < end; ++block) {
      const size_t first = block * kCompensatedRows, count = std::min(kCompensatedRows, rows - first);
      internal::RoundRowsWithCompensation(first, weights.subspan(first * width, count * width), factor, round);
    }
  });
}

}  // namespace octet
