#include "models/taken_activations.h"

#include <string>

#include "base/cat.h"

namespace octet {

void TakenActivations::Add(const PackedMatrix& matrix) {
  using kernels::WeightFormat;
  e4m3 = e4m3 || matrix.format == WeightFormat::kE4M3 || matrix.format == WeightFormat::kE4M3Block ||
         matrix.takes_mx_inputs || kernels::Int4Group(matrix.format) != 0;
  nvfp4 = nvfp4 || matrix.format == WeightFormat::kNvfp4;
  integers = integers || kernels::IsInteger(matrix.format);
}

Status TakenActivations::Check(nn::ActivationMode mode) const {
  struct Rounding {
    nn::ActivationMode mode;
    const char* name;
    const char* weights;
    bool is_taken;
  };
  const Rounding roundings[] = {{nn::ActivationMode::kE4M3, "fp8", "FP8 or INT4", e4m3},
                                {nn::ActivationMode::kNvfp4, "nvfp4", "NVFP4", nvfp4},
                                {nn::ActivationMode::kInt8, "int8", "INT8, INT4 or NVFP4", integers || nvfp4}};
  std::string taken = "auto, bf16";
  for (const Rounding& rounding : roundings) taken += rounding.is_taken ? Cat(", ", rounding.name) : "";
  for (const Rounding& rounding : roundings) {
    if (rounding.mode != mode || rounding.is_taken) continue;
    return Fail(ErrorCode::kInvalidArgument, "the model has no ", rounding.weights, " weights, which alone take ",
                rounding.name, " activations; it takes ", taken);
  }
  return {};
}

}  // namespace octet
