#include "formats/check_values.h"

#include <algorithm>
#include <cmath>

namespace octet {

Status CheckValues(std::span<const float> values, uint64_t first_row, uint64_t columns, DType to,
                   std::string_view tensor) {
  constexpr float kFp16Max = 65504;
  const auto fits = [&](float value) {
    return std::isfinite(value) && (to != DType::kF16 || std::fabs(value) <= kFp16Max);
  };
  const auto found = std::find_if_not(values.begin(), values.end(), fits);
  if (found == values.end()) return {};
  const auto at = static_cast<uint64_t>(found - values.begin());
  const uint64_t row = first_row + at / columns, column = at % columns;
  if (std::isfinite(*found)) {
    return Fail(ErrorCode::kInvalidArgument, "tensor `", tensor, "`, row ", row, ", column ", column, " is ", *found,
                ", beyond the largest number of F16, 65504; use bf16 or f32");
  }
  return Fail(ErrorCode::kCorrupt, "tensor `", tensor, "`, row ", row, ", column ", column, " is ",
              std::isnan(*found) ? "no number (NaN)" : "infinite or beyond the largest float, 3.4e38",
              "; the file is damaged, get it again");
}

}  // namespace octet
