// How often this program has asked for memory by operator new; count_allocations.cpp replaces that operator.
#pragma once

#include <cstddef>

namespace octet {

size_t AllocationCount();

}  // namespace octet
