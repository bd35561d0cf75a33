// Factors of a matrix' inputs that make its weights easier to round: columns that meet large inputs are multiplied, the
// inputs divided by as much (AWQ).
//
//   std::vector<float> factors = SearchFactors({.rows = sample, .inputs = &statistics, .origin = origin, .origins =
//   width,
//                                               .group = 128}, pool);
//   // weights[r, c] * factors[origin[c]] meets inputs / factors[origin[c]]
//
// Where the division goes: quantize/smoothing.h. Source: Lin et al. 2023 (AWQ), section 3.2, with the error of the
// products taken from second moments instead of from outputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quantize/input_statistics.h"

namespace octet {

// Magnitudes of the inputs and of the weights that they meet, each of an origin.
struct InputMagnitudes {
  std::vector<double> inputs, weights;
};

// inputs^of_inputs / weights^of_weights, divided by the root of the smallest times the largest, so that neither side
// leaves the range of its numbers; 1 where either is 0.
std::vector<float> FactorsOf(const InputMagnitudes& magnitudes, double of_inputs, double of_weights);

struct FactorSearch {
  std::vector<float> rows = {};             // [rows, width]: some rows of the matrix, to measure on
  const InputStatistics* inputs = nullptr;  // with moments
  std::vector<uint32_t> origin = {};        // [width]: inputs of one origin have one factor
  size_t origins = 0;
  size_t group = 32;  // of INT4
};

// Of (root mean square of the inputs)^a / (mean magnitude of the weights)^b, with a = 0, 0.1 .. 1 and b = 0 or 1 - a,
// divided by the root of the smallest times the largest, the one whose INT4 rounding changes the products least:
// sum of e H e^T over the rows' errors e; factors of 1 where none is better. Inputs that were always zero have the
// factor 1. [origins]. Work: 20 * rows * width^2 multiply-adds. The bits don't depend on the number of threads.
Result<std::vector<float>> SearchFactors(const FactorSearch& search, ThreadPool& pool);

// Sum of e H e^T over the rows of errors [rows, width] and moments [width, width]. Work: rows * width^2 multiply-adds.
double ErrorOfProducts(std::span<const float> errors, size_t width, std::span<const float> moments, ThreadPool& pool);

}  // namespace octet
