// The recipes of `octet quantize`: one row each, so that help, checks and messages read the same table.
//
//   const Recipe& recipe = *OCTET_TRY(FindRecipe("fp8"));
//   for (const Recipe& recipe : Recipes()) Print(recipe.name, recipe.summary);
//
// How a recipe encodes a matrix: quantize/e4m3_rows.h. How it is written: quantize/compressed_tensors.h.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace octet {

struct Recipe {
  std::string_view name;       // as --to takes it
  std::string_view summary;    // weights, scales, activations
  double bits_per_weight = 0;  // of a quantised matrix, scales not counted
  bool needs_calibration = false;
  std::string_view full_speed_tiers;  // CPU tiers with a kernel of their own for it; the others decode to BF16 first
};

std::span<const Recipe> Recipes();

// Fails with invalid_argument, naming the nearest recipe.
Result<const Recipe*> FindRecipe(std::string_view name);

}  // namespace octet
