#include "quantize/row_encoding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octet {

double RoundingNoise::Decibels() const {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

size_t FirstNotFinite(std::span<const float> row) {
  for (size_t column = 0; column < row.size(); ++column) {
    if (!std::isfinite(row[column])) return column;
  }
  return row.size();
}

float LargestMagnitude(std::span<const float> values) {
  float amax = 0;
  for (const float value : values) amax = std::max(amax, std::fabs(value));
  return amax;
}

double SquaredDistance(std::span<const float> a, std::span<const float> b) {
  OCTET_CHECK(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double change = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += change * change;
  }
  return sum;
}

Result<RoundingNoise> internal::SumRows(std::span<const float> weights, size_t columns,
                                        std::span<const size_t> first_bad, std::span<const RoundingNoise> rows) {
  RoundingNoise sum;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (first_bad[row] != columns) {
      const bool is_nan = std::isnan(weights[row * columns + first_bad[row]]);
      return Fail(ErrorCode::kCorrupt, "the weight at row ", row, ", column ", first_bad[row], " is ",
                  is_nan ? "no number (NaN)" : "infinite or beyond the largest float, 3.4e38",
                  ", which no scale can hold");
    }
    sum.Add(rows[row]);
  }
  return sum;
}

}  // namespace octet
