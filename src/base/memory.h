// How much memory the machine has, and how much of it this process.
//
//   if (bytes > InstalledMemory()) return Fail(ErrorCode::kExhausted, ...);
//
// The system promises more memory than it has and ends a process that takes it at its word; who writes to all of a
// large allocation asks here first.
#pragma once

#include <cstdint>
#include <filesystem>

namespace octet {

// Bytes of memory and swap together; the largest number where the system doesn't say.
uint64_t InstalledMemory();

// What the system could still give this process: MemAvailable, or what a control group that it is in leaves, if that is
// less (memory.max less memory.current, memory.limit_in_bytes less memory.usage_in_bytes, pages of files that can go
// added again); 0 where the system doesn't say. `root` stands before /proc and /sys.
uint64_t AvailableMemory(const std::filesystem::path& root = "/");

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
