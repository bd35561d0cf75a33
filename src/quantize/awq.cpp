#include "quantize/awq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/integer_rows.h"

namespace octet {
namespace {

constexpr int kPowers = 10;             // steps from 0 to 1
constexpr size_t kRowsOfMoments = 8;    // errors that meet a row of the moments while it is in the cache
constexpr float kLargestFactor = 1e4F;  // and its inverse the smallest

// Averaged over the inputs of an origin.
InputMagnitudes MeasureMagnitudes(const FactorSearch& search) {
  const size_t width = search.inputs->width, rows = search.rows.size() / width;
  const std::vector<float> squares = search.inputs->MeanSquares();
  InputMagnitudes magnitudes{std::vector<double>(search.origins), std::vector<double>(search.origins)};
  std::vector<double> count(search.origins);
  for (size_t column = 0; column < width; ++column) {
    const uint32_t origin = search.origin[column];
    magnitudes.inputs[origin] += static_cast<double>(squares[column]);
    count[origin] += 1;
    for (size_t row = 0; row < rows; ++row)
      magnitudes.weights[origin] += std::fabs(static_cast<double>(search.rows[row * width + column]));
  }
  for (size_t origin = 0; origin < search.origins; ++origin) {
    const double inputs = std::max(count[origin], 1.0);
    magnitudes.inputs[origin] = std::sqrt(magnitudes.inputs[origin] / inputs);
    magnitudes.weights[origin] /= inputs * static_cast<double>(std::max<size_t>(rows, 1));
  }
  return magnitudes;
}

// What rounding the multiplied weights changes of the products.
Result<double> ErrorWith(const FactorSearch& search, std::span<const float> factors, ThreadPool& pool) {
  const size_t width = search.inputs->width, rows = search.rows.size() / width;
  std::vector<float> scaled = search.rows;
  ErrorWeights known{.squares = search.inputs->MeanSquares()};
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= factors[search.origin[i % width]];
  for (size_t column = 0; column < width; ++column) {
    const float factor = factors[search.origin[column]];
    known.squares[column] /= factor * factor;
  }
  const EncodedIntegers encoded = OCTET_TRY(EncodeInt4Groups(scaled, rows, width, search.group, pool, &known));
  const size_t groups = encoded.scales.size() / std::max<size_t>(rows, 1);
  std::vector<float> errors(scaled.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    const size_t column = i % width;
    const float scale = ToFloat(encoded.scales[i / width * groups + column / search.group]);
    const float changed = scaled[i] - static_cast<float>(encoded.codes[i]) * scale;
    errors[i] = changed / factors[search.origin[column]];
  }
  return ErrorOfProducts(errors, width, search.inputs->moments, pool);
}

}  // namespace

std::vector<float> FactorsOf(const InputMagnitudes& magnitudes, double of_inputs, double of_weights) {
  std::vector<float> factors;
  float smallest = kLargestFactor, largest = 1 / kLargestFactor;
  for (size_t i = 0; i < magnitudes.inputs.size(); ++i) {
    // Below the smallest normal number factors have no finite size.
    constexpr double kLeast = std::numeric_limits<float>::min();
    const bool is_dead = magnitudes.inputs[i] < kLeast || magnitudes.weights[i] < kLeast;
    const double factor =
        is_dead ? 0 : std::pow(magnitudes.inputs[i], of_inputs) / std::pow(magnitudes.weights[i], of_weights);
    factors.push_back(static_cast<float>(factor));
    if (is_dead) continue;
    smallest = std::min(smallest, factors.back());
    largest = std::max(largest, factors.back());
  }
  const float middle = std::sqrt(smallest) * std::sqrt(largest);
  for (float& factor : factors) {
    factor = factor == 0 ? 1 : std::clamp(factor / middle, 1 / kLargestFactor, kLargestFactor);
  }
  return factors;
}

double ErrorOfProducts(std::span<const float> errors, size_t width, std::span<const float> moments, ThreadPool& pool) {
  const size_t rows = width == 0 ? 0 : errors.size() / width;
  std::vector<double> of_rows(rows);
  pool.ForEachShare((rows + kRowsOfMoments - 1) / kRowsOfMoments, [&](size_t begin, size_t end) {
    std::vector<float> products(kRowsOfMoments * width);
    for (size_t first = begin * kRowsOfMoments; first < std::min(rows, end * kRowsOfMoments); first += kRowsOfMoments) {
      const size_t last = std::min(rows, first + kRowsOfMoments);
      std::fill(products.begin(), products.end(), 0.0F);
      for (size_t k = 0; k < width; ++k) {
        const float* row_of_moments = moments.data() + k * width;
        for (size_t row = first; row < last; ++row) {
          const float error = errors[row * width + k];
          float* product = products.data() + (row - first) * width;
          for (size_t i = 0; i < width; ++i) product[i] += error * row_of_moments[i];
        }
      }
      for (size_t row = first; row < last; ++row) {
        for (size_t i = 0; i < width; ++i)
          of_rows[row] +=
              static_cast<double>(errors[row * width + i]) * static_cast<double>(products[(row - first) * width + i]);
      }
    }
  });
  double sum = 0;
  for (const double row : of_rows) sum += row;
  return sum;
}

Result<std::vector<float>> SearchFactors(const FactorSearch& search, ThreadPool& pool) {
  const InputMagnitudes magnitudes = MeasureMagnitudes(search);
  std::vector<float> best(search.origins, 1.0F);
  double least = OCTET_TRY(ErrorWith(search, best, pool));
  std::vector<std::pair<double, double>> powers = {{0, 1}, {1, 0}};
  for (int step = 1; step < kPowers; ++step) {
    const double power = static_cast<double>(step) / kPowers;
    powers.insert(powers.end(), {{power, 0}, {power, 1 - power}});
  }
  for (const auto& [of_inputs, of_weights] : powers) {
    std::vector<float> factors = FactorsOf(magnitudes, of_inputs, of_weights);
    const double error = OCTET_TRY(ErrorWith(search, factors, pool));
    if (error >= least) continue;
    least = error;
    best = std::move(factors);
  }
  return best;
}

}  // namespace octet
