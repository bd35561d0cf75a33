#include "quantize/streamed_model.h"

#include <utility>

#include "models/hf_config.h"

namespace octet {

Result<StreamedModel> OpenStreamed(const Checkpoint& checkpoint, ComputeType compute, const QuantizeRun& run) {
  const kernels::KernelTable* kernels = OCTET_TRY(kernels::WantedKernels());
  ModelSpec spec = OCTET_TRY(ReadHfConfig(checkpoint.config, checkpoint.path.native()));
  auto weights =
      std::make_unique<CheckpointWeights>(OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, compute, run.pool)));
  weights->UseOwnMemory();
  LayeredDecoder decoder = OCTET_TRY(LayeredDecoder::Open(std::move(spec), *weights));
  return StreamedModel{std::move(weights), std::make_unique<nn::ExecutionContext>(run.pool, *kernels),
                       std::move(decoder)};
}

}  // namespace octet
