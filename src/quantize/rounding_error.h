// What is left of a product when its inputs and its weights are rounded to a format: signal to noise, format by format.
//
//   const RoundingErrors errors = MeasureRounding(inputs, weights, width, pool);
//   errors.products[static_cast<size_t>(StudiedFormat::kInt8Smooth)];      // decibels
//
// Scales are the plain ones, the largest magnitude over the format's largest number, so that formats are compared and
// no search for scales. Which inputs and weights: quantize/rounding_study.h. The formats: numeric/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/thread_pool.h"

namespace octet {

enum class StudiedFormat : uint8_t {
  kFp8Tensor,   // E4M3, a scale for all inputs and one for all weights
  kFp8Rows,     // a scale for each token and each output channel
  kInt8Tensor,  // -127 .. 127, scales alike
  kInt8Rows,
  kInt8Smooth,  // by rows, inputs divided and columns of weights multiplied by (largest input / largest weight)^0.5
                // first
  kNvfp4,       // E2M1, an E4M3 scale for each 16 inputs of a row, a number for all
  kInt4,        // -7 .. 7, a scale for each 128 inputs of a row
};
inline constexpr size_t kStudiedFormats = 7;
std::string_view Name(StudiedFormat format);

struct RoundingErrors {
  double peak = 0;                                    // the largest magnitude of the inputs over their root mean square
  std::array<double, kStudiedFormats> inputs = {};    // decibels: of the inputs over what rounding changed of them
  std::array<double, kStudiedFormats> products = {};  // of the products, both rounded
};

inline constexpr size_t kProductRows = 64;  // of the weights, evenly over them: products are measured with these

// Inputs [tokens, width], weights [rows, width]. Values are to be finite. Infinity where nothing changed. Source of the
// smoothing: Xiao et al. 2022 (SmoothQuant), equation 4, with alpha 0.5. Work: tokens * 64 * width multiply-adds a
// format. The bits don't depend on the number of threads.
RoundingErrors MeasureRounding(std::span<const float> inputs, std::span<const float> weights, size_t width,
                               ThreadPool& pool);

}  // namespace octet
