#include "base/memory.h"

#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
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

ResidentMemory ReadResidentMemory() {
  ResidentMemory memory;
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(0, colon);
    uint64_t* const to = name == "VmRSS"     ? &memory.now
                         : name == "VmHWM"   ? &memory.most
                         : name == "RssAnon" ? &memory.anonymous
                                             : nullptr;
    if (to != nullptr) *to = std::strtoull(line.c_str() + colon + 1, nullptr, 10) * 1024;
  }
  return memory;
}

uint64_t HugePageBytes() {
  const std::filesystem::path folder = "/sys/kernel/mm/transparent_hugepage";
  std::ifstream enabled(folder / "enabled"), size(folder / "hpage_pmd_size");
  std::string choices;
  std::getline(enabled, choices);
  uint64_t bytes = 0;
  const bool is_given =
      !choices.empty() && choices.find("[never]") == std::string::npos && ::prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0;
  if (is_given && size >> bytes && bytes > 0) return bytes;
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace octet
