// What a module multiplies its inputs with before the product (ModelOpt's AWQ), where no layer before it does.
//
//   const std::vector<float> factors = OCTET_TRY(ReadInputFactors(tensors, "model.layers.0.mlp.down_proj", columns));
//   // weight[row, column] * factors[column] is the weight of inputs that aren't multiplied
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "formats/tensor_source.h"

namespace octet {

// `<module>.pre_quant_scale`, [columns]; empty where there is none. Fails with corrupt for another shape or type, and
// where one isn't a finite number above 0, naming it.
Result<std::vector<float>> ReadInputFactors(const TensorSource& tensors, const std::string& module, size_t columns);

}  // namespace octet
