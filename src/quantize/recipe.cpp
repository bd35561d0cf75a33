#include "quantize/recipe.h"

#include <vector>

#include "base/nearest.h"

namespace octet {
namespace {

constexpr std::string_view kReaders = "transformers with compressed-tensors";

constexpr Recipe kRecipes[] = {
    {.name = "fp8",
     .alias = "",
     .encoding = Encoding::kE4M3,
     .summary =
         "E4M3 weights, one FP32 scale per output channel; activations E4M3 per token or BF16, chosen when it runs",
     .bits_per_weight = 8,
     .rounds_inputs = false,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx",
     .readers = kReaders},
    {.name = "fp8-static",
     .alias = "",
     .encoding = Encoding::kE4M3Tensor,
     .summary = "E4M3 weights, one FP32 scale per tensor and one for its inputs, by calibration: TensorRT-LLM's FP8; "
                "activations E4M3 or BF16, chosen when it runs",
     .bits_per_weight = 8,
     .rounds_inputs = true,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx",
     .readers = kReaders},
    {.name = "fp8-block",
     .alias = "",
     .encoding = Encoding::kE4M3Blocks,
     .summary = "E4M3 weights, one FP32 scale per 128 x 128; activations E4M3 with a scale per 128 inputs or BF16, "
                "chosen when "
                "it runs",
     .bits_per_weight = 8,
     .rounds_inputs = false,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx",
     .readers = kReaders},
    {.name = "mxfp8",
     .alias = "",
     .encoding = Encoding::kMxfp8,
     .summary =
         "E4M3 weights, a power of two per 32 inputs (E8M0, rounded up); activations alike or BF16, chosen when it "
         "runs; decoded to BF16 when loaded",
     .bits_per_weight = 8,
     .rounds_inputs = false,
     .calibration = Calibration::kOptional,
     .search = Search::kCompensated,
     .damping = 1,
     .full_speed_tiers = "none: runs as BF16",
     .readers = kReaders},
    {.name = "nvfp4-w4a16",
     .alias = "",
     .encoding = Encoding::kNvfp4,
     .summary =
         "NVFP4 weights: E2M1, an E4M3 scale per 16 inputs, an FP32 scale per tensor; activations BF16, or INT8 or "
         "NVFP4 per token, chosen when it runs",
     .bits_per_weight = 4,
     .rounds_inputs = false,
     .calibration = Calibration::kOptional,
     .search = Search::kCompensated,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx",
     .readers = kReaders},
    {.name = "nvfp4",
     .alias = "",
     .encoding = Encoding::kNvfp4,
     .summary =
         "the same weights with an FP32 scale for the inputs of each matrix, by calibration; activations NVFP4, or "
         "INT8 or BF16, chosen when it runs",
     .bits_per_weight = 4,
     .rounds_inputs = true,
     .calibration = Calibration::kNeeded,
     .search = Search::kCompensated,
     .full_speed_tiers = "avx2, avx512, avx512_bf16",
     .readers = kReaders},
    {.name = "int8",
     .alias = "",
     .encoding = Encoding::kInt8,
     .summary =
         "INT8 weights, symmetric, one BF16 scale per output channel; activations INT8 per token or BF16, chosen "
         "when it runs",
     .bits_per_weight = 8,
     .rounds_inputs = false,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "int8-smoothquant",
     .alias = "",
     .encoding = Encoding::kInt8,
     .summary = "the same codes for readers that round inputs to INT8 per token too; columns that meet large inputs "
                "multiplied by calibration, the norm or matrix before them divided (SmoothQuant)",
     .bits_per_weight = 8,
     .takes_int8_inputs = true,
     .calibration = Calibration::kNeeded,
     .search = Search::kMigrated,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "int4-rtn",
     .alias = "int4",
     .encoding = Encoding::kInt4,
     .summary =
         "INT4 weights, symmetric, one BF16 scale per --group of inputs, rounded to nearest; activations INT8 per "
         "token or BF16",
     .bits_per_weight = 4,
     .rounds_inputs = false,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "int4-gptq",
     .alias = "",
     .encoding = Encoding::kInt4,
     .summary =
         "the same format, codes chosen by calibration so that the errors of a row make up for each other (GPTQ)",
     .bits_per_weight = 4,
     .rounds_inputs = false,
     .calibration = Calibration::kNeeded,
     .search = Search::kCompensated,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "int4-awq",
     .alias = "",
     .encoding = Encoding::kInt4,
     .summary =
         "the same format, columns that meet large inputs multiplied by calibration, the norm or matrix before them "
         "divided (AWQ)",
     .bits_per_weight = 4,
     .rounds_inputs = false,
     .calibration = Calibration::kNeeded,
     .search = Search::kSmoothed,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "w4a8",
     .alias = "",
     .encoding = Encoding::kInt4,
     .summary = "the same weights, one scale per 128 inputs unless --group says otherwise; activations E4M3 per token "
                "(at the speed of BF16 ones), or "
                "INT8 or BF16, chosen when it runs",
     .bits_per_weight = 4,
     .takes_e4m3_inputs = true,
     .group = 128,
     .full_speed_tiers = "avx2, avx512, amx (INT8 activations)",
     .readers = kReaders},
    {.name = "auto",
     .alias = "",
     .encoding = Encoding::kNvfp4,
     .summary = "INT4, NVFP4, INT8, FP8 or BF16 for each matrix, by what rounding it costs, within --bits or --max-kl; "
                "codes compensated; activations BF16, or INT8 where the matrix takes it",
     .bits_per_weight = 4,
     .calibration = Calibration::kNeeded,
     .search = Search::kCompensated,
     .is_mixed = true,
     .full_speed_tiers = "avx2, avx512, avx512_bf16, amx",
     .readers = kReaders},
};

}  // namespace

std::string_view Name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kE4M3:
    case Encoding::kE4M3Tensor:
    case Encoding::kE4M3Blocks:
    case Encoding::kMxfp8:
      return "fp8";
    case Encoding::kNvfp4:
      return "nvfp4";
    case Encoding::kInt8:
      return "int8";
    case Encoding::kInt4:
      break;
  }
  return "int4";
}

std::span<const Recipe> Recipes() { return kRecipes; }

Result<const Recipe*> FindRecipe(std::string_view name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name == name || (!recipe.alias.empty() && recipe.alias == name)) return &recipe;
    names.emplace_back(recipe.name);
    if (!recipe.alias.empty()) names.emplace_back(recipe.alias);
  }
  const std::string hint = DidYouMean(name, names);
  return Fail(ErrorCode::kInvalidArgument, "no recipe `", name, "`", hint.empty() ? ";" : hint,
              " `octet quantize --list` shows all ", std::size(kRecipes));
}

}  // namespace octet
