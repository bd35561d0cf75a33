#if defined(__x86_64__)

#include "kernels/tiers.h"

namespace octet::kernels {

constinit const KernelTable kAvx512 = {.name = "avx512"};

}  // namespace octet::kernels

#endif
