// Which roundings of activations a model's matrices take.
//
//   TakenActivations taken;
//   for (const PackedMatrix& matrix : matrices) taken.Add(matrix);
//   OCTET_TRY(taken.Check(nn::ActivationMode::kInt8));
#pragma once

#include "base/error.h"
#include "nn/execution_context.h"
#include "tensor/packed_matrix.h"

namespace octet {

struct TakenActivations {
  bool e4m3 = false, nvfp4 = false, integers = false;  // some matrices take E4M3 inputs, are NVFP4, hold integers

  void Add(const PackedMatrix& matrix);
  // Fails with invalid_argument where no matrix takes them, naming what the model does take.
  Status Check(nn::ActivationMode mode) const;
};

}  // namespace octet
