#include "base/memory.h"

#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnlimitedBytes = std::numeric_limits<uint64_t>::max();

// The number behind a name in a file of lines "name number ...".
std::optional<uint64_t> Field(const fs::path& path, std::string_view wanted) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t end = line.find_first_of(" \t");
    if (end != std::string::npos && std::string_view(line).substr(0, end) == wanted)
      return std::strtoull(line.c_str() + end, nullptr, 10);
  }
  return std::nullopt;
}

// The number that is a file's content; nothing for "max", the word for no limit.
std::optional<uint64_t> Number(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

// How a version of control groups names its files.
struct GroupFiles {
  const char *limit, *used, *evictable;
};
constexpr GroupFiles kUnified = {"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles kFirst = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

// What the group in `folder`, and those that it is in up to `top`, leave of their limits.
uint64_t LeftInGroup(const fs::path& top, fs::path folder, const GroupFiles& files) {
  uint64_t least = kUnlimitedBytes;
  while (true) {
    const std::optional<uint64_t> limit = Number(folder / files.limit);
    if (limit) {
      const uint64_t evictable = Field(folder / "memory.stat", files.evictable).value_or(0);
      const uint64_t used = Number(folder / files.used).value_or(0);
      const uint64_t held = used - std::min(used, evictable);
      least = std::min(least, *limit - std::min(*limit, held));
    }
    if (folder == top || !folder.has_relative_path()) return least;
    folder = folder.parent_path();
  }
}

// Of all control groups that the process is in (cgroups(7)); nothing where none has a limit. Inside a container the
// group's path may be the host's: what it names isn't there then, and the top is the container's own.
std::optional<uint64_t> LeftInGroups(const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  uint64_t least = kUnlimitedBytes;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_unified = controllers == ",,";
    if (!is_unified && controllers.find(",memory,") == std::string::npos) continue;
    const fs::path top = root / (is_unified ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    const fs::path folder = top / fs::path(line.substr(second + 1)).relative_path();
    least = std::min(
        least, LeftInGroup(top, folder.has_filename() ? folder : folder.parent_path(), is_unified ? kUnified : kFirst));
  }
  return least == kUnlimitedBytes ? std::nullopt : std::optional(least);
}

}  // namespace

uint64_t InstalledMemory() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return std::numeric_limits<uint64_t>::max();
  return (uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
}

uint64_t AvailableMemory(const std::filesystem::path& root) {
  const std::optional<uint64_t> kilobytes = Field(root / "proc/meminfo", "MemAvailable:");
  const std::optional<uint64_t> in_groups = LeftInGroups(root);
  if (!kilobytes) return in_groups.value_or(0);
  return std::min(*kilobytes * 1024, in_groups.value_or(kUnlimitedBytes));
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
