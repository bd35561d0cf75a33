// The quantization_config of a checkpoint in compressed-tensors' dialect, as its own library writes and reads it.
//
//   config["quantization_config"] = CompressedTensorsConfig(map);
//
// Layout of the tensors beside it: docs/formats/compressed_tensors.md.
#pragma once

#include "base/json.h"
#include "quantize/precision_map.h"

namespace octet {

// A group for each kind of matrix: the one of most matrices for all linear layers, others for the modules that they
// name, as a head that is stored otherwise. E4M3 is the preset FP8_DYNAMIC: one
// scale per output channel, activations E4M3 per token when the model runs; with a scale per tensor it is FP8, whose
// inputs have one too; in blocks it is FP8_BLOCK, activations in groups of 128; with powers of two it is MXFP8,
// activations alike. INT8 and INT4 are W8A16 per channel and W4A16 in groups (W4AFP8 where inputs are to be rounded),
// format pack-quantized, NVFP4 is the preset NVFP4A16: their activations aren't rounded. Requires a quantised tensor.
Json CompressedTensorsConfig(const PrecisionMap& map);

}  // namespace octet
