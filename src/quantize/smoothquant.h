// How much of the outliers among a matrix' inputs its weights take over, where both are rounded to INT8 (SmoothQuant).
//
//   const Migration migration = OCTET_TRY(SearchMigration({.rows = sample, .column_amax = amax, .inputs = &statistics,
//                                                          .origin = origin, .origins = width}, pool));
//   // weights[r, c] * factors[origin[c]] meets inputs / factors[origin[c]]
//
// Where the division goes: quantize/smoothing.h. Source: Xiao et al. 2022 (SmoothQuant), section 4, equation 4.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quantize/input_statistics.h"

namespace octet {

struct MigrationSearch {
  std::vector<float> rows = {};             // [rows, width]: some rows of the matrix, to measure on
  std::vector<float> column_amax = {};      // [width]: the largest magnitude of each column, of all rows
  const InputStatistics* inputs = nullptr;  // with samples and the largest magnitude of each
  std::vector<uint32_t> origin = {};        // [width]: inputs of one origin have one factor
  size_t origins = 0;
};

struct Migration {
  std::optional<double> alpha = {};  // absent: everything stays as it was
  std::vector<float> factors = {};   // [origins]
  double error = 1;                  // of the sampled products, squared, in parts of what it is without factors
};

// Of (largest input)^alpha / (largest weight)^(1 - alpha), alpha = 0, 0.05 .. 1, divided by the root of the smallest
// times the largest, the one with which the products of INT8 inputs, a scale a token, and INT8 weights, a scale a row,
// are nearest to the products of what they stand for: sum of squares over samples and rows. Factors of 1 where none is
// better. Inputs that were always zero have the factor 1. Work: 22 * samples * rows * width multiply-adds. The bits
// don't depend on the number of threads.
Result<Migration> SearchMigration(const MigrationSearch& search, ThreadPool& pool);

}  // namespace octet
