#if defined(__x86_64__)

#include "kernels/tiers.h"

namespace octet::kernels {

constinit const KernelTable kAvx2 = {.name = "avx2"};

}  // namespace octet::kernels

#endif
