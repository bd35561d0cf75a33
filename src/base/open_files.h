// How many files and connections this process may have open.
#pragma once

#include <cstddef>

namespace octet {

// Raises the limit of this process as far as the system lets it without privileges, and returns it. A shell's usual
// limit of 1,024 is too small for a server or a client of thousands of connections. Cannot fail: it stays as it is
// then.
size_t RaiseOpenFileLimit();

}  // namespace octet
