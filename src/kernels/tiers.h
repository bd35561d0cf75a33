// The tables as each tier's file defines them: what a tier leaves out is null here and comes from the tier below it
// (kernels/select.cpp puts them together). Only select.cpp and the tiers themselves include this.
#pragma once

#include "kernels/kernel_table.h"

namespace octet::kernels {

extern const KernelTable kReference;  // complete
#if defined(__x86_64__)
extern const KernelTable kAvx2;
extern const KernelTable kAvx512;
extern const KernelTable kAvx512Bf16;
extern const KernelTable kAmx;
#endif

}  // namespace octet::kernels
