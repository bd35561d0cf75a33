// The model that `octet quantize` and `octet eval rounding` read, decoded first where it is quantised and --requantize
// says so.
#pragma once

#include <filesystem>
#include <string>

#include "formats/checkpoint.h"

namespace octet::cli {

struct QuantizeSource {
  Checkpoint checkpoint;
  std::string decoded_from;  // how it was quantised (models/decoded_checkpoint.h), empty for a checkpoint of floats
};

// The tensors decide: where a quantization_config is there and no tensor holds codes, the model is one of floats, and a
// warning says so. Without `requantize` one that holds codes is given as it is; whoever plans refuses it. With it,
// fails with invalid_argument where nothing is quantised; as readers of the model do.
Result<QuantizeSource> OpenQuantizeSource(const std::filesystem::path& model, bool requantize);

}  // namespace octet::cli
