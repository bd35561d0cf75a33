// One request to the engine, as token ids.
#pragma once

#include <cstdint>
#include <vector>

#include "octet/generate.h"

namespace octet {

struct Request {
  std::vector<int32_t> prompt;
  GenerateOptions options;
  uint32_t number = 0;  // with the seed and the step, what the draws depend on
};

}  // namespace octet
