#include "models/input_factors.h"

#include <algorithm>
#include <cmath>

namespace octet {

Result<std::vector<float>> ReadInputFactors(const TensorSource& tensors, const std::string& module, size_t columns) {
  const std::string name = module + ".pre_quant_scale";
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr) return std::vector<float>();
  if (!IsFloat(info->dtype) || info->shape != Shape{columns}) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                "; factors of ", columns, " inputs are [", columns, "] of floats");
  }
  std::vector<float> factors(columns);
  OCTET_TRY(tensors.ReadRows(name, 0, 1, factors.data()));
  const auto bad = std::find_if(factors.begin(), factors.end(), [](float f) { return !std::isfinite(f) || f <= 0; });
  if (bad == factors.end()) return factors;
  return Fail(ErrorCode::kCorrupt, "tensor ", name, " is ", *bad, " for input ", bad - factors.begin(),
              ", a finite number above 0 is expected");
}

}  // namespace octet
