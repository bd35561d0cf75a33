// Writing JSON: the one way in which Octet makes text of it.
//
//   OCTET_TRY(WriteFileAtomically(path, Dump(config, /*indent=*/2) + "\n"));
//
// Reading it: base/json.h.
#pragma once

#include <string>

#include "base/json.h"

namespace octet {

// Of one line, or indented by so many spaces a level. Texts come from files, and names of paths may be any bytes: what
// isn't UTF-8 becomes U+FFFD, where the library's own dump throws. Cannot fail.
std::string Dump(const Json& json, int indent = -1);

}  // namespace octet
