// A quick comparison of a tier with the reference on this very machine, for `octet doctor`; a second of work at most.
// The thorough tests are in tests/kernels.
//
//   for (const KernelTable* tier : AvailableTiers())
//     for (const SelfTestResult& result : SelfTest(*tier)) print(result.kernel, result.passed());
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace octet::kernels {

struct SelfTestResult {
  std::string kernel;
  double error = 0;  // largest difference to the reference over the norm of what went in
  double bound = 0;  // products: 2 * depth * 2^-24, from the rounding of each sum; functions: 2^-19, 32 float units
  bool passed() const { return error <= bound; }  // false for NaN
};

std::vector<SelfTestResult> SelfTest(const KernelTable& tier);

}  // namespace octet::kernels
