// What says how a checkpoint in ModelOpt's dialect is quantised: hf_quant_config.json, and quantization_config of
// config.json, which says it again in other words.
//
//   config["quantization_config"] = ModelOptConfig(map);
//   WriteFileAtomically("hf_quant_config.json", Dump(ModelOptFile(map), 2));
//
// The tensors beside them: docs/formats/modelopt.md.
#pragma once

#include "base/json.h"
#include "quantize/precision_map.h"

namespace octet {

// hf_quant_config.json. One quant_algo with the modules that stay, or MIXED_PRECISION with each module's own where the
// head is in another format. Requires a quantised tensor and CheckLayouts (quantize/tensor_layout.h).
Json ModelOptFile(const PrecisionMap& map);

// quantization_config. Requires the same.
Json ModelOptConfig(const PrecisionMap& map);

}  // namespace octet
