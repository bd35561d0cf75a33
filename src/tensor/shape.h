// Shapes as they come from files: sizes per axis, outermost first, multiplied with overflow checks.
//
//   std::optional<uint64_t> elements = ElementCount({576, 1536});
//   uint64_t rows = RowCount(shape), width = RowSize(shape);   // a vector is one row
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octet {

using Shape = std::vector<uint64_t>;

// Product of the sizes, 1 for no axes; nothing where it (or a product without an axis of size 0) leaves 63 bits.
std::optional<uint64_t> ElementCount(const Shape& shape);

// A tensor of two or more axes has shape[0] rows of the product of the others; a vector or scalar has one row.
uint64_t RowCount(const Shape& shape);
uint64_t RowSize(const Shape& shape);

// "[576, 1536]", for messages.
std::string ToText(const Shape& shape);

}  // namespace octet
