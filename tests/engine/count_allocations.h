// How often this program has asked for memory: by operator new, which count_allocations.cpp replaces, and by malloc,
// its relatives and mmap wherever Octet's own code calls them, which the linker leads there (tests/CMakeLists.txt).
#pragma once

#include <cstddef>

namespace octet {

// Of all threads together.
size_t AllocationCount();

}  // namespace octet
