// How far a model's predictions moved, told from residual streams behind its last layer: the original's, and those of
// changed models.
//
//   OCTET_TRY(decoder.LoadHead(weights));
//   std::vector<double> kl = OCTET_TRY(DivergencesOf({decoder, context, run}, original, changed, /*every=*/2));
//
// Who makes the streams: quantize/layer_probe.h, quantize/choice_trial.h.
#pragma once

#include <span>
#include <vector>

#include "models/layered_decoder.h"
#include "quantize/quantize.h"

namespace octet {

struct HeadRun {
  LayeredDecoder& decoder;  // with the head and a layer
  nn::ExecutionContext& context;
  const QuantizeRun& run;
};

// Of each of `changed`: KL(original || changed) in nats, the mean over tokens every - 1, 2 * every - 1, ... of the
// streams [tokens, hidden], which all have the same. Fails with corrupt where logits are no finite numbers, with
// cancelled. The bits don't depend on the number of threads. Memory: logits of 64 tokens.
Result<std::vector<double>> DivergencesOf(const HeadRun& head, const std::vector<float>& original,
                                          std::span<const std::vector<float>> changed, size_t every);

}  // namespace octet
