#include "quantize/smoothquant.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numeric/int8.h"
#include "quantize/awq.h"
#include "quantize/integer_rows.h"

namespace octet {
namespace {

constexpr int kSteps = 20;             // of alpha, from 0 to 1
constexpr size_t kTokensTogether = 8;  // that meet a column of weights while it is in the cache

// x [tokens, width] times the transpose of w [rows, width].
std::vector<float> Products(std::span<const float> x, std::span<const float> w, size_t width, ThreadPool& pool) {
  const size_t tokens = x.size() / width, rows = w.size() / width;
  std::vector<float> columns(w.size()), products(tokens * rows);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t k = 0; k < width; ++k) columns[k * rows + row] = w[row * width + k];
  }
  pool.ForEachShare((tokens + kTokensTogether - 1) / kTokensTogether, [&](size_t begin, size_t end) {
    for (size_t first = begin * kTokensTogether; first < std::min(tokens, end * kTokensTogether);
         first += kTokensTogether) {
      const size_t last = std::min(tokens, first + kTokensTogether);
      for (size_t k = 0; k < width; ++k) {
        const float* column = columns.data() + k * rows;
        for (size_t token = first; token < last; ++token) {
          const float input = x[token * width + k];
          float* product = products.data() + token * rows;
          for (size_t row = 0; row < rows; ++row) product[row] += input * column[row];
        }
      }
    }
  });
  return products;
}

// Each token's inputs as INT8 with a scale of its own holds them, as the kernels round them.
void RoundTokens(std::vector<float>& x, size_t width) {
  for (size_t first = 0; first < x.size(); first += width) {
    const float scale = LargestMagnitude({x.data() + first, width}) / kInt8Max;
    if (scale < std::numeric_limits<float>::min()) continue;
    for (size_t k = first; k < first + width; ++k) x[k] = ToFloat(ToInt8(x[k] / scale)) * scale;
  }
}

// The sampled products with factors, everything rounded.
Result<std::vector<float>> RoundedProducts(const MigrationSearch& search, std::span<const float> factors,
                                           ThreadPool& pool) {
  const size_t width = search.inputs->width, rows = search.rows.size() / width;
  std::vector<float> x = search.inputs->samples, w = search.rows;
  for (size_t i = 0; i < x.size(); ++i) x[i] /= factors[search.origin[i % width]];
  for (size_t i = 0; i < w.size(); ++i) w[i] *= factors[search.origin[i % width]];
  RoundTokens(x, width);
  const EncodedIntegers encoded = OCTET_TRY(EncodeInt8Rows(w, rows, width, pool));
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = static_cast<float>(encoded.codes[i]) * ToFloat(encoded.scales[i / width]);
  return Products(x, w, width, pool);
}

// The largest of the values of each origin.
std::vector<double> LargestByOrigin(const MigrationSearch& search, std::span<const float> of_columns) {
  std::vector<double> largest(search.origins);
  for (size_t i = 0; i < of_columns.size(); ++i)
    largest[search.origin[i]] = std::max(largest[search.origin[i]], static_cast<double>(of_columns[i]));
  return largest;
}

}  // namespace

Result<Migration> SearchMigration(const MigrationSearch& search, ThreadPool& pool) {
  const std::vector<float> wanted = Products(search.inputs->samples, search.rows, search.inputs->width, pool);
  const InputMagnitudes magnitudes{LargestByOrigin(search, search.inputs->column_amax),
                                   LargestByOrigin(search, search.column_amax)};
  Migration best{.factors = std::vector<float>(search.origins, 1.0F)};
  const double plain = SquaredDistance(OCTET_TRY(RoundedProducts(search, best.factors, pool)), wanted);
  double least = plain;
  for (int step = 0; step <= kSteps; ++step) {
    const double alpha = static_cast<double>(step) / kSteps;
    std::vector<float> factors = FactorsOf(magnitudes, alpha, 1 - alpha);
    const double error = SquaredDistance(OCTET_TRY(RoundedProducts(search, factors, pool)), wanted);
    if (error >= least) continue;
    least = error;
    best = {.alpha = alpha, .factors = std::move(factors), .error = error / plain};
  }
  return best;
}

}  // namespace octet
