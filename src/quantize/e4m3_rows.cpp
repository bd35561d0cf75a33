#include "quantize/e4m3_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "numeric/fp8.h"

namespace octet {
namespace {

using DecodeTable = std::array<float, 256>;

DecodeTable MakeDecodeTable() {
  DecodeTable table{};
  for (size_t bits = 0; bits < table.size(); ++bits) table[bits] = ToFloat(E4M3{static_cast<uint8_t>(bits)});
  return table;
}

// Column of the first NaN or infinity, or the number of columns.
size_t FirstNotFinite(std::span<const float> row) {
  for (size_t column = 0; column < row.size(); ++column) {
    if (!std::isfinite(row[column])) return column;
  }
  return row.size();
}

float LargestMagnitude(std::span<const float> row) {
  float amax = 0;
  for (const float weight : row) amax = std::max(amax, std::fabs(weight));
  return amax;
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
// weights can lie between its points. The first is the smallest that clips nothing.
float RowScale(std::span<const float> row, const DecodeTable& decode) {
  constexpr int kStepsInOctave = 8;
  const float smallest = LargestMagnitude(row) / kE4M3Max;
  if (smallest < std::numeric_limits<float>::min())
    return smallest == 0 ? 1 : smallest;  // 0 also where the quotient underflows
  float best = smallest;
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step < kStepsInOctave; ++step) {
    const float scale = smallest * static_cast<float>(std::exp2(static_cast<double>(step) / kStepsInOctave));
    const double noise = Noise(row, scale, least, decode);
    if (noise < least) {
      least = noise;
      best = scale;
    }
  }
  return best;
}

struct RowError {
  double signal = 0;
  double noise = 0;
};

RowError EncodeRow(std::span<const float> row, float scale, const DecodeTable& decode, uint8_t* codes) {
  RowError error;
  for (size_t column = 0; column < row.size(); ++column) {
    codes[column] = ToE4M3(row[column] / scale).bits;
    const double change = static_cast<double>(row[column]) - static_cast<double>(decode[codes[column]] * scale);
    error.signal += static_cast<double>(row[column]) * row[column];
    error.noise += change * change;
  }
  return error;
}

}  // namespace

Result<EncodedRows> EncodeE4M3Rows(std::span<const float> weights, size_t rows, size_t columns, ThreadPool& pool) {
  OCTET_CHECK(weights.size() == rows * columns);
  EncodedRows encoded{.codes = std::vector<uint8_t>(weights.size()), .scales = std::vector<float>(rows)};
  const DecodeTable decode = MakeDecodeTable();
  std::vector<RowError> errors(rows);
  std::vector<size_t> first_bad(rows, columns);
  pool.ForEachShare(rows, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const std::span<const float> values = weights.subspan(row * columns, columns);
      first_bad[row] = FirstNotFinite(values);
      if (first_bad[row] != columns) continue;
      encoded.scales[row] = RowScale(values, decode);
      errors[row] = EncodeRow(values, encoded.scales[row], decode, encoded.codes.data() + row * columns);
    }
  });
  // Summed in the rows' order, so that the report is the same for any number of threads.
  for (size_t row = 0; row < rows; ++row) {
    if (first_bad[row] != columns) {
      return Fail(ErrorCode::kCorrupt, "the weight at row ", row, ", column ", first_bad[row], " is ",
                  weights[row * columns + first_bad[row]], ", which no scale can hold");
    }
    encoded.signal += errors[row].signal;
    encoded.noise += errors[row].noise;
  }
  return encoded;
}

}  // namespace octet
