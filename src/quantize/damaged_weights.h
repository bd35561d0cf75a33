// Which weight is to blame where a layer computes what is no finite number.
//
//   if (!inputs) return tl::unexpected<Error>(NameDamagedWeight(*checkpoint.tensors, spec, layer, inputs.error(),
//   run));
#pragma once

#include "formats/tensor_source.h"
#include "models/model_spec.h"
#include "quantize/quantize.h"

namespace octet {

// An error that names the first weight of the layer or the one before that is NaN or infinite, with its place, where
// `error` is of code corrupt and there is one; else `error` itself. The one before, since what its last matrix makes is
// first seen as inputs of the next. The embedding is before the first layer, the last norm of the one behind the last.
// Reads all of both layers' weights, a slice at a time.
Error NameDamagedWeight(const TensorSource& tensors, const ModelSpec& spec, size_t layer, const Error& error,
                        const QuantizeRun& run);

}  // namespace octet
