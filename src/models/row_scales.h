// Scales of E4M3 rows as a checkpoint has them.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace octet {

// Fails with corrupt, naming tensor and row, where a scale isn't a finite number above 0: its row would be zeros,
// turned round or no numbers, and nothing later would say so.
Status CheckRowScales(std::span<const float> scales, std::string_view path, std::string_view tensor);

}  // namespace octet
