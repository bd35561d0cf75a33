// What this process has used of the machine, as monitors ask for it.
//
//   const ProcessUse use = ReadProcessUse();
//   Print(use.cpu_seconds);
#pragma once

#include <cstdint>

namespace octet {

// 0 where the system doesn't say. Memory that is resident: base/memory.h.
struct ProcessUse {
  double cpu_seconds = 0;      // of all threads, in the program and in the system for it
  double start_seconds = 0;    // since 1970
  uint64_t open_files = 0;     // descriptors
  uint64_t most_files = 0;     // that may be open (RLIMIT_NOFILE)
  uint64_t address_bytes = 0;  // mapped, resident or not
};

// Reads /proc/self, tens of microseconds and one more for each open file; the first call also /proc/stat.
ProcessUse ReadProcessUse();

}  // namespace octet
