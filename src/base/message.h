// Text that may hold what a hostile file said, made fit for a terminal and a log.
//
//   std::fprintf(stderr, "%s\n", SafeMessage(error.message).c_str());
#pragma once

#include <string>
#include <string_view>

namespace octet {

// Control characters other than newline and tab, and bytes that are not UTF-8, become \xNN; of more than 4096 bytes the
// first and last 2000 or so stay, with a note between of how many were left out. The result is valid UTF-8.
std::string SafeMessage(std::string_view text);

}  // namespace octet
