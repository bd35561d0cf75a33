#include "formats/checkpoint.h"
#include "models/weights.h"

namespace octet {

Status CheckWeights(const Checkpoint& checkpoint, const ModelSpec& spec) {
  ThreadPool pool(1);  // of the calling thread alone; nothing is packed
  const Result<CheckpointWeights> weights = CheckpointWeights::Open(checkpoint, spec, ComputeType::kAuto, pool);
  if (!weights) return tl::unexpected<Error>(weights.error());
  return {};
}

}  // namespace octet
