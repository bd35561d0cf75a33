// MXFP8 with E4M3 elements (OCP MX 1.0): blocks of 32 values that share a power of two.
//
//   const E8M0 scale = Mxfp8Scale(amax);                     // of the block
//   E4M3 code = ToE4M3(value / ToFloat(scale));
//   float near_value = ToFloat(code) * ToFloat(scale);       // exact in BF16
#pragma once

#include "numeric/e8m0.h"
#include "numeric/fp8.h"

namespace octet {

inline constexpr size_t kMxBlock = 32;

// The smallest power of two at or above amax / 448, so that nothing saturates; 2^-127 for a block of zeros. MX 1.0,
// section 6.3, takes the power below instead, which saturates what lies above 448 of it; ModelOpt and TensorRT-LLM
// round up, and so does Octet.
inline E8M0 Mxfp8Scale(float amax) { return ToE8M0Up(amax / kE4M3Max); }

}  // namespace octet
