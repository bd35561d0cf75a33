// A checkpoint's model of which one layer at a time is in memory, with what it takes to run it.
//
//   StreamedModel model = OCTET_TRY(OpenStreamed(checkpoint, ComputeType::kAuto, run));
//   OCTET_TRY(model.decoder.Embed(tokens, model.context->kernels, hidden));      // models/layered_decoder.h
//   OCTET_TRY(model.decoder.Load(layer, *model.weights));
#pragma once

#include <memory>

#include "models/layered_decoder.h"
#include "models/weights.h"
#include "quantize/quantize.h"

namespace octet {

struct StreamedModel {
  std::unique_ptr<CheckpointWeights> weights;  // each layer's in memory of its own, which goes with the layer
  std::unique_ptr<nn::ExecutionContext> context;
  LayeredDecoder decoder;
};

// On the tier that OCTET_CPU names. Fails as the readers of config and weights do.
Result<StreamedModel> OpenStreamed(const Checkpoint& checkpoint, ComputeType compute, const QuantizeRun& run);

}  // namespace octet
