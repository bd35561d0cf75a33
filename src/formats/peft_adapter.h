// Reading a LoRA adapter as the PEFT library saves it: adapter_config.json beside adapter_model.safetensors.
//
//   const PeftAdapter adapter = OCTET_TRY(ReadPeftAdapter("adapters/poems"));
//
// A matrix W [out, in] of the base becomes W + scale * B * A (Hu et al. 2021, section 4.1). Bound to a model:
// models/adapter.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/tensor_source.h"

namespace octet {

// The change of one matrix of the base.
struct PeftMatrix {
  std::string weight;  // the base's tensor: "model.layers.0.self_attn.q_proj.weight"
  size_t rank = 0;
  size_t in = 0;
  size_t out = 0;
  float scale = 0;            // lora_alpha / rank, or lora_alpha / sqrt(rank) with use_rslora
  std::vector<float> a = {};  // [rank, in]
  std::vector<float> b = {};  // [out, rank]
};

struct PeftAdapter {
  std::filesystem::path path;
  std::vector<PeftMatrix> matrices;  // sorted by weight
};

// Tensors of F32, F16 and BF16. Ranks may differ by `rank_pattern`: each matrix' own is that of its factors. Fails with
// not_found for a missing file; unsupported for what would change the result otherwise than above (DoRA, biases,
// modules_to_save, alpha_pattern, another peft_type), naming the field, and for other tensor types; corrupt for a
// tensor without its partner, of another rank than the configuration's, or with a number that isn't finite. Cost: the
// files' size.
Result<PeftAdapter> ReadPeftAdapter(const std::filesystem::path& directory);

}  // namespace octet
