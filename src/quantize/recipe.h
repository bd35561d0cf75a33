// The recipes of `octet quantize`: one row each, so that help, checks and messages read the same table.
//
//   const Recipe& recipe = *OCTET_TRY(FindRecipe("int4"));
//   for (const Recipe& recipe : Recipes()) Print(recipe.name, recipe.summary);
//
// How a recipe encodes a matrix: quantize/e4m3_rows.h, quantize/mxfp8_rows.h, quantize/nvfp4_rows.h,
// quantize/integer_rows.h. How it is written: quantize/compressed_tensors.h, quantize/modelopt.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet {

// How a matrix is stored: E4M3 or INT8 codes with a scale per output channel, E4M3 with one for the tensor and one for
// its inputs, with one per block of 128 x 128 or with a power of two per block of 32, INT4 codes with one per group of
// inputs, NVFP4 codes with one per block of 16.
enum class Encoding : uint8_t { kE4M3, kE4M3Tensor, kE4M3Blocks, kMxfp8, kNvfp4, kInt8, kInt4 };

constexpr bool IsE4M3(Encoding encoding) {
  return encoding == Encoding::kE4M3 || encoding == Encoding::kE4M3Tensor || encoding == Encoding::kE4M3Blocks ||
         encoding == Encoding::kMxfp8;
}
// Whether the whole tensor has a scale, which is known once all of it was seen (quantize/global_scales.h).
constexpr bool HasTensorScale(Encoding encoding) {
  return encoding == Encoding::kE4M3Tensor || encoding == Encoding::kNvfp4;
}

// "fp8", "nvfp4", "int8", "int4": what --head calls it, which means the recipe's own kind of FP8.
std::string_view Name(Encoding encoding);

// Whether a recipe looks at what inputs of matrices are on a text.
enum class Calibration : uint8_t { kNone, kOptional, kNeeded };

// How codes are chosen where the inputs are known: each for itself, so that errors make up for each other, or after
// inputs of small and large values were brought nearer, for the weights' sake or for that of inputs which are rounded
// too.
enum class Search : uint8_t { kNearest, kCompensated, kSmoothed, kMigrated };

struct Recipe {
  std::string_view name;   // as --to takes it
  std::string_view alias;  // another name for it, or empty
  Encoding encoding = Encoding::kE4M3;
  std::string_view summary;        // weights, scales, activations
  double bits_per_weight = 0;      // of a quantised matrix, scales not counted
  bool rounds_inputs = false;      // by scales that a calibration finds
  bool takes_e4m3_inputs = false;  // of INT4: readers round inputs to E4M3 per token
  bool takes_int8_inputs = false;  // of INT8: readers round inputs to INT8 per token
  size_t group = 32;               // of INT4: inputs that share a scale, unless chosen
  Calibration calibration = Calibration::kNone;
  Search search = Search::kNearest;
  double damping = 0.01;  // of compensation (quantize/gptq.h); of codes with a small error it has to be large
  bool is_mixed = false;  // each matrix has its own encoding, by a budget (quantize/mixed_precision.h)
  std::string_view full_speed_tiers;  // CPU tiers with a kernel of their own for it
  std::string_view readers;           // other programs that read the result

  bool needs_calibration() const { return rounds_inputs || calibration == Calibration::kNeeded; }
  bool takes_calibration() const { return rounds_inputs || calibration != Calibration::kNone; }
};

std::span<const Recipe> Recipes();

// By name or alias. Fails with invalid_argument, naming the nearest recipe.
Result<const Recipe*> FindRecipe(std::string_view name);

}  // namespace octet
