// What an answer took, in the words of `octet run` and `octet chat`.
//
//   call.Note(SpeedLine(result.timings));
//   // prompt 40 tokens (30 cached, 10 computed), 0.05 s, 200.0 tokens/s | answer 12 tokens, 1.10 s, 10.0 tokens/s
#pragma once

#include <string>

#include "octet/generate.h"

namespace octet::cli {

// Seconds and rate are left out where nothing was computed or no time passed.
std::string SpeedLine(const Timings& times);

}  // namespace octet::cli
