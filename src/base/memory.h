// How much memory the machine has.
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

}  // namespace octet
