#include "base/memory.h"

#include <sys/sysinfo.h>

#include <limits>

namespace octet {

uint64_t InstalledMemory() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return std::numeric_limits<uint64_t>::max();
  return (uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
}

}  // namespace octet
