// A quantised checkpoint as one of floats: what its codes stand for, under the names that they had before.
//
//   std::optional<DecodedCheckpoint> decoded = OCTET_TRY(DecodeCheckpoint(checkpoint, spec));
//   if (decoded && decoded->matrices > 0) Print(decoded->was);   // "compressed-tensors", "GGUF Q4_0, Q6_K"
//
// For who quantises it anew. Running it needs none of this: models/weights.h takes codes as they are.
#pragma once

#include <optional>
#include <string>

#include "formats/checkpoint.h"
#include "models/model_spec.h"

namespace octet {

struct DecodedCheckpoint {
  Checkpoint checkpoint;  // matrices that were codes are F32 and are decoded when their rows are read, scales are gone,
                          // and config has no quantization_config
  std::string was;        // how it was quantised: the method that config.json names, or the types of a GGUF file
  size_t matrices = 0;    // that were codes; 0 where the configuration alone says that there are any
};

// Nothing where neither a matrix of the model holds codes nor a configuration says so. Fails as CheckpointWeights::Open
// does.
Result<std::optional<DecodedCheckpoint>> DecodeCheckpoint(const Checkpoint& checkpoint, const ModelSpec& spec);

}  // namespace octet
