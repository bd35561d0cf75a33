// What scales the whole of each NVFP4 tensor, and of each E4M3 one with a scale per tensor, known only once all of it
// was seen.
//
//   const GlobalScales scales = OCTET_TRY(MeasureGlobalScales(source, map, run));
//   const float global = scales.at("model.layers.0.mlp.up_proj.weight");
//
// How it is used: quantize/nvfp4_rows.h, quantize/e4m3_rows.h.
#pragma once

#include <map>
#include <string>

#include "quantize/quantize.h"

namespace octet {

// By the name of the tensor in the output.
using GlobalScales = std::map<std::string, float, std::less<>>;

// Nvfp4GlobalScale of every tensor that becomes NVFP4, E4M3TensorScale of those with such a scale. Tensors that readers
// join into one matrix (q, k, v; gate, up) share the one of their largest weight: some readers hold a single number for
// the joined matrix. Reads each of these tensors once; fails as the source does, and with cancelled.
Result<GlobalScales> MeasureGlobalScales(const TensorSource& source, const PrecisionMap& map, const QuantizeRun& run);

}  // namespace octet
