// A vector of floats as JSON, each as the shortest number that reads back as the same float.
#pragma once

#include <span>

#include "base/json.h"

namespace octet {

Json VectorJson(std::span<const float> vector);

}  // namespace octet
