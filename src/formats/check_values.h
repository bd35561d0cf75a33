// Weights on their way into another type: what it can't hold is refused, since a saturated code would hide the damage.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "tensor/dtype.h"

namespace octet {

// Fails with corrupt for the first value that is NaN or infinite, and with invalid_argument for one that FP16 can't
// hold where that is `to`; names the tensor, row (the first here is `first_row`) and column.
Status CheckValues(std::span<const float> values, uint64_t first_row, uint64_t columns, DType to,
                   std::string_view tensor);

}  // namespace octet
