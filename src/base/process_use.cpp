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

struct StatFields {
  uint64_t start_ticks = 0;  // since the machine started
  uint64_t address_bytes = 0;
};

// The name in field 2 of proc(5) may hold anything, spaces and brackets too.
StatFields ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  StatFields out;
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return out;
  std::istringstream fields(line.substr(name_end + 1));
  std::string passed;
  for (int i = 3; i < 22; ++i) fields >> passed;
  fields >> out.start_ticks >> out.address_bytes;  // fields 22 and 23
  return out;
}

// When the machine started, in seconds since 1970.
double BootSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  return 0;
}

double StartSeconds(uint64_t start_ticks) {
  const double boot = BootSeconds();
  if (start_ticks == 0 || boot == 0) return 0;
  return boot + static_cast<double>(start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
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
  ProcessUse use;
  rusage times = {};
  if (::getrusage(RUSAGE_SELF, &times) == 0) use.cpu_seconds = Seconds(times.ru_utime) + Seconds(times.ru_stime);
  const StatFields stat = ReadStat();
  // /proc/stat counts every interrupt of every core, milliseconds on a large machine, and the answer stays.
  static const double start_seconds = StartSeconds(stat.start_ticks);
  use.start_seconds = start_seconds;
  use.address_bytes = stat.address_bytes;
  use.open_files = OpenFiles();
  rlimit files = {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) use.most_files = files.rlim_cur;
  return use;
}

}  // namespace octet
