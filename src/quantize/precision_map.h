// Which tensors of a checkpoint a recipe quantises, and why the others stay.
//
//   PrecisionMap map = OCTET_TRY(PlanPrecision(WeightSlots(spec), *checkpoint.tensors, {.keep = {"*.down_proj"}}));
//   for (const TensorPrecision& tensor : map.tensors) Print(tensor.name, tensor.precision, tensor.reason);
//
// Carrying it out: quantize/quantize.h.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/tensor_source.h"
#include "models/model_spec.h"
#include "quantize/input_histogram.h"
#include "quantize/recipe.h"

namespace octet {

inline constexpr std::string_view kHeadModule = "lm_head";

// Whose names and layouts a checkpoint has.
enum class Dialect : uint8_t { kCompressedTensors, kModelOpt };
constexpr std::string_view ReaderOf(Dialect dialect) {
  return dialect == Dialect::kModelOpt ? "modelopt" : "compressed-tensors";
}

// What one joined matrix is stored as; no encoding: as it is.
struct LayerChoice {
  std::optional<Encoding> encoding = std::nullopt;
  size_t group = 0;  // of INT4
};

struct PrecisionChoices {
  Encoding layers = Encoding::kE4M3;  // of the linear layers
  size_t group = 32;                  // inputs that share a scale, of INT4
  bool rounds_inputs = false;      // of NVFP4 and of E4M3 with a scale per tensor: with a scale for the inputs of each
  bool takes_e4m3_inputs = false;  // of INT4: said to readers
  bool takes_int8_inputs = false;  // of INT8: said to readers
  ObserverChoice observer = {};    // of scales of inputs
  std::optional<Encoding> head = std::nullopt;  // a tied head gets a tensor of its own then; the embedding stays
  Dialect dialect = Dialect::kCompressedTensors;
  bool rounds_by_size = true;  // of compensated codes: inputs with the largest squares first (quantize/gptq.h)
  std::map<std::string, LayerChoice, std::less<>> by_slot = {};  // of joined matrices that differ from `layers`
  std::vector<std::string> keep = {};  // patterns (quantize/glob.h) of tensor or module names that stay as they are
  // In INT8 an encoder's feed-forward outputs stay: of its weights they lose most (docs/models.md).
  bool keeps_encoder_down = true;
};

struct TensorPrecision {
  std::string name;    // in the output
  std::string source;  // in the input; another name for a head that was tied
  Shape shape = {};
  std::optional<Encoding> encoding = {};  // of a quantised matrix
  size_t group = 0;                       // inputs that share a scale, of INT4, NVFP4, MXFP8 and E4M3 in blocks
  bool rounds_inputs = false;             // a scale of its inputs is stored
  Observer observer = Observer::kAmax;    // how that was found
  bool takes_e4m3_inputs = false;         // of INT4: readers round them to E4M3
  bool takes_int8_inputs = false;         // of INT8: readers round them to INT8
  Dialect dialect = Dialect::kCompressedTensors;
  DType dtype = DType::kBf16;  // written, of a tensor that stays
  // "recipe", "auto", "embedding", "head", "norm or bias", "--keep PATTERN", "an encoder's feed-forward output",
  // "not part of the model's layers"
  std::string reason = {};
  std::string joined = {};  // the matrix that readers may join it into, by slot: "layers.3.attn.qkv"; else its own

  bool quantised() const { return encoding.has_value(); }
  bool is_modelopt() const { return dialect == Dialect::kModelOpt; }
  // Scales of a row: where inputs are in groups, columns / group, rounded up.
  uint64_t groups() const;
  // Rows that share scales or bytes: 128 of E4M3 in blocks, 2 of ModelOpt's INT4, else 1.
  uint64_t row_block() const;
  // Whether the last group of a row has fewer columns than the others.
  bool is_ragged() const;
  // "BF16", "F8_E4M3", "F8_E4M3 static", "F8_E4M3 b128", "MXFP8", "NVFP4", "INT8", "INT4 g32".
  std::string precision() const;
};

struct PrecisionMap {
  std::vector<TensorPrecision> tensors;  // sorted by name
  bool unties_head = false;
  std::vector<std::string> ignored_modules;  // linear modules that stay, as a quantised checkpoint's config lists them

  uint64_t quantised_weights() const;
};

// FP32 tensors that stay become BF16; BF16 and FP16 stay bit for bit. Fails with invalid_argument for a pattern that
// matches nothing the recipe would quantise, for one that keeps a head which is to be quantised, and for a checkpoint
// that is quantised already.
Result<PrecisionMap> PlanPrecision(std::span<const WeightSlot> slots, const TensorSource& tensors,
                                   const PrecisionChoices& choices);

// Makes a quantised tensor one of the choice, which may leave it as it is.
void ChooseEncoding(const LayerChoice& choice, const PrecisionChoices& choices, TensorPrecision& tensor);

// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight"; other names stay.
std::string_view ModuleOf(std::string_view tensor);

}  // namespace octet
