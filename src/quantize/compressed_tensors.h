// The quantization_config of a checkpoint in compressed-tensors' dialect, as its own library writes and reads it.
//
//   config["quantization_config"] = CompressedTensorsFp8(map.ignored_modules);
//
// Layout of the tensors beside it: docs/formats/compressed_tensors.md.
#pragma once

#include <span>
#include <string>

#include "base/json.h"

namespace octet {

// The FP8_DYNAMIC preset: E4M3 weights with one scale per output channel, activations E4M3 per token when the model
// runs.
Json CompressedTensorsFp8(std::span<const std::string> ignored_modules);

}  // namespace octet
