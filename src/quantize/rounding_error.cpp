#include "quantize/rounding_error.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "numeric/e2m1.h"
#include "numeric/fp8.h"
#include "numeric/int4.h"
#include "numeric/int8.h"
#include "quantize/awq.h"
#include "quantize/nvfp4_rows.h"
#include "quantize/row_encoding.h"

namespace octet {
namespace {

constexpr size_t kInt4Columns = 128;

float RoundE4M3(float value) { return ToFloat(ToE4M3(value)); }
float RoundInt8(float value) { return ToFloat(ToInt8(value)); }
float RoundInt4(float value) { return ToFloat(ToInt4(value)); }
float RoundE2M1(float value) { return ToFloat(ToE2M1(value)); }

// Each run of `count` values by a scale of its own, which puts the largest at `largest`.
template <class Round>
void RoundRuns(std::span<float> values, size_t count, float largest, Round&& round) {
  for (size_t first = 0; first < values.size(); first += count) {
    const std::span<float> run = values.subspan(first, std::min(count, values.size() - first));
    const float amax = LargestMagnitude(run);
    if (amax == 0) continue;
    const float scale = amax / largest;
    for (float& value : run) value = round(value / scale) * scale;
  }
}

// Blocks don't go over the end of a row.
void RoundNvfp4(std::span<float> values, size_t width) {
  const float global = Nvfp4GlobalScale(LargestMagnitude(values));
  for (size_t row = 0; row < values.size(); row += width) {
    for (size_t first = 0; first < width; first += kNvfp4BlockColumns) {
      const std::span<float> block = values.subspan(row + first, std::min(kNvfp4BlockColumns, width - first));
      const float scale = RoundE4M3(LargestMagnitude(block) / kE2M1Max * global) / global;
      for (float& value : block) value = scale == 0 ? 0 : RoundE2M1(value / scale) * scale;
    }
  }
}

void RoundTo(StudiedFormat format, std::span<float> values, size_t width) {
  switch (format) {
    case StudiedFormat::kFp8Tensor:
      return RoundRuns(values, values.size(), kE4M3Max, RoundE4M3);
    case StudiedFormat::kFp8Rows:
      return RoundRuns(values, width, kE4M3Max, RoundE4M3);
    case StudiedFormat::kInt8Tensor:
      return RoundRuns(values, values.size(), kInt8Max, RoundInt8);
    case StudiedFormat::kInt8Rows:
    case StudiedFormat::kInt8Smooth:
      return RoundRuns(values, width, kInt8Max, RoundInt8);
    case StudiedFormat::kNvfp4:
      return RoundNvfp4(values, width);
    case StudiedFormat::kInt4:
      break;
  }
  for (size_t row = 0; row < values.size(); row += width)
    RoundRuns(values.subspan(row, width), kInt4Columns, kInt4Max, RoundInt4);
}

// Of each column, [width].
std::vector<double> ColumnPeaks(std::span<const float> values, size_t width) {
  std::vector<double> peaks(width);
  for (size_t i = 0; i < values.size(); ++i)
    peaks[i % width] = std::max(peaks[i % width], static_cast<double>(std::fabs(values[i])));
  return peaks;
}

// What inputs are divided by; 1 where a column has no inputs or no weights.
std::vector<float> SmoothFactors(std::span<const float> inputs, std::span<const float> weights, size_t width) {
  constexpr double kAlpha = 0.5;
  return FactorsOf({ColumnPeaks(inputs, width), ColumnPeaks(weights, width)}, kAlpha, 1 - kAlpha);
}

std::vector<float> Times(std::span<const float> values, const std::vector<float>& factors, bool divide) {
  std::vector<float> scaled(values.begin(), values.end());
  for (size_t i = 0; i < scaled.size(); ++i) {
    const float factor = factors[i % factors.size()];
    scaled[i] = divide ? scaled[i] / factor : scaled[i] * factor;
  }
  return scaled;
}

// [tokens, rows measured], each summed in one order.
std::vector<double> SampledProducts(std::span<const float> inputs, std::span<const float> weights, size_t width,
                                    ThreadPool& pool) {
  const size_t tokens = inputs.size() / width, rows = weights.size() / width, count = std::min(rows, kProductRows);
  std::vector<double> products(tokens * count);
  pool.ForEachShare(tokens, [&](size_t begin, size_t end) {
    for (size_t token = begin; token < end; ++token) {
      const float* x = inputs.data() + token * width;
      for (size_t i = 0; i < count; ++i) {
        const float* w = weights.data() + i * rows / count * width;
        double sum = 0;
        for (size_t k = 0; k < width; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(w[k]);
        products[token * count + i] = sum;
      }
    }
  });
  return products;
}

template <class Number>
double Decibels(std::span<const Number> exact, std::span<const Number> rounded) {
  RoundingNoise noise;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double value = static_cast<double>(exact[i]), change = value - static_cast<double>(rounded[i]);
    noise.signal += value * value;
    noise.noise += change * change;
  }
  return noise.Decibels();
}

double PeakOf(std::span<const float> inputs) {
  double squares = 0;
  for (const float value : inputs) squares += static_cast<double>(value) * static_cast<double>(value);
  if (squares == 0) return 0;
  return static_cast<double>(LargestMagnitude(inputs)) / std::sqrt(squares / static_cast<double>(inputs.size()));
}

}  // namespace

std::string_view Name(StudiedFormat format) {
  switch (format) {
    case StudiedFormat::kFp8Tensor:
      return "FP8 per tensor";
    case StudiedFormat::kFp8Rows:
      return "FP8 per token";
    case StudiedFormat::kInt8Tensor:
      return "INT8 per tensor";
    case StudiedFormat::kInt8Rows:
      return "INT8 per token";
    case StudiedFormat::kInt8Smooth:
      return "INT8 SmoothQuant";
    case StudiedFormat::kNvfp4:
      return "NVFP4";
    case StudiedFormat::kInt4:
      break;
  }
  return "INT4 g128";
}

RoundingErrors MeasureRounding(std::span<const float> inputs, std::span<const float> weights, size_t width,
                               ThreadPool& pool) {
  OCTET_CHECK(width != 0 && inputs.size() % width == 0 && weights.size() % width == 0);
  RoundingErrors errors{.peak = PeakOf(inputs)};
  const std::vector<double> exact = SampledProducts(inputs, weights, width, pool);
  const std::vector<float> ones(width, 1.0F), smooth = SmoothFactors(inputs, weights, width);
  for (size_t i = 0; i < kStudiedFormats; ++i) {
    const StudiedFormat format = static_cast<StudiedFormat>(i);
    const std::vector<float>& factors = format == StudiedFormat::kInt8Smooth ? smooth : ones;
    std::vector<float> x = Times(inputs, factors, /*divide=*/true), w = Times(weights, factors, /*divide=*/false);
    RoundTo(format, x, width);
    RoundTo(format, w, width);
    const std::vector<float> as_inputs = Times(x, factors, /*divide=*/false);
    errors.inputs[i] = Decibels(inputs, std::span<const float>(as_inputs));
    const std::vector<double> rounded = SampledProducts(x, w, width, pool);
    errors.products[i] = Decibels(std::span<const double>(exact), std::span<const double>(rounded));
  }
  return errors;
}

}  // namespace octet
