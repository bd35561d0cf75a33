#include "models/row_scales.h"

#include <algorithm>
#include <cmath>

namespace octet {

Status CheckRowScales(std::span<const float> scales, std::string_view path, std::string_view tensor) {
  const auto bad =
      std::find_if(scales.begin(), scales.end(), [](float scale) { return !std::isfinite(scale) || scale <= 0; });
  if (bad == scales.end()) return {};
  return Fail(ErrorCode::kCorrupt, path, ": scale ", tensor, " is ", *bad, " in row ", bad - scales.begin(),
              ", a finite number above 0 is expected");
}

}  // namespace octet
