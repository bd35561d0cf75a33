// How much memory the machine has, and how much of it this process.
//
//   if (bytes > InstalledMemory()) return Fail(ErrorCode::kExhausted, ...);
//
// The system promises more memory than it has and ends a process that takes it at its word; who writes to all of a
// large allocation asks here first.
#pragma once

#include <cstdint>

namespace octet {

// Bytes of memory and swap together; the largest number where the system doesn't say.
uint64_t InstalledMemory();

// What the system could still give, from MemAvailable; 0 where it doesn't say.
uint64_t AvailableMemory();

// Bytes of this process that are in memory, from /proc/self/status; all 0 where the system doesn't say.
struct ResidentMemory {
  uint64_t now = 0;        // VmRSS
  uint64_t most = 0;       // VmHWM: the most since the process began
  uint64_t anonymous = 0;  // RssAnon: what no file backs
};
ResidentMemory ReadResidentMemory();

// What memory that asks for huge pages (MADV_HUGEPAGE) comes in, where there is enough of it for one: 2 MB, or a page
// where the system gives this process none.
uint64_t HugePageBytes();

}  // namespace octet
