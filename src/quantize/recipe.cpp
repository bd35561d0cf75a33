#include "quantize/recipe.h"

#include <string>
#include <vector>

#include "base/nearest.h"

namespace octet {
namespace {

constexpr Recipe kRecipes[] = {
    {.name = "fp8",
     .summary =
         "E4M3 weights, one FP32 scale per output channel; activations E4M3 per token or BF16, chosen when it runs",
     .bits_per_weight = 8,
     .needs_calibration = false,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx"},
};

}  // namespace

std::span<const Recipe> Recipes() { return kRecipes; }

Result<const Recipe*> FindRecipe(std::string_view name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name == name) return &recipe;
    names.emplace_back(recipe.name);
  }
  const std::string hint = DidYouMean(name, names);
  return Fail(ErrorCode::kInvalidArgument, "no recipe `", name, "`", hint.empty() ? ";" : hint,
              " `octet quantize --list` shows all ", names.size());
}

}  // namespace octet
