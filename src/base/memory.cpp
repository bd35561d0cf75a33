#include "base/memory.h"

#include <sys/sysinfo.h>

#include <fstream>
#include <limits>
#include <string>

namespace octet {

uint64_t InstalledMemory() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return std::numeric_limits<uint64_t>::max();
  return (uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
}

uint64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  uint64_t kilobytes = 0;
  std::string unit;
  for (std::string name; file >> name >> kilobytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return 0;
}

}  // namespace octet
