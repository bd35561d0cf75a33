#if defined(__x86_64__)

#include "kernels/tiers.h"

namespace octet::kernels {

constinit const KernelTable kAvx512Bf16 = {.name = "avx512_bf16"};

}  // namespace octet::kernels

#endif
