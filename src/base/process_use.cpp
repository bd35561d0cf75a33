#include "base/process_use.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace octet {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// Of /proc/self/stat, counted from 1 as in proc(5); the name in field 2 may hold anything, spaces and brackets too.
uint64_t StatField(size_t wanted) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (size_t i = 3; i <= wanted; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

// When the machine started, in seconds since 1970.
double BootSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  return 0;
}

// The directory's own descriptor is not counted.
uint64_t OpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  uint64_t count = 0;
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) ++count;
  return count == 0 ? 0 : count - 1;
}

}  // namespace

ProcessUse ReadProcessUse() {
  constexpr size_t kStartTime = 22, kAddressSize = 23;  // fields of proc(5)
  ProcessUse use;
  rusage times = {};
  if (::getrusage(RUSAGE_SELF, &times) == 0) use.cpu_seconds = Seconds(times.ru_utime) + Seconds(times.ru_stime);
  const uint64_t ticks = StatField(kStartTime);
  const double boot = BootSeconds();
  if (ticks != 0 && boot != 0)
    use.start_seconds = boot + static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  use.address_bytes = StatField(kAddressSize);
  use.open_files = OpenFiles();
  rlimit files = {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) use.most_files = files.rlim_cur;
  return use;
}

}  // namespace octet
