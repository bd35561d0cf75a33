#include "tensor/shape.h"

#include <algorithm>

#include "base/cat.h"
#include "base/checked.h"

namespace octet {

std::optional<uint64_t> ElementCount(const Shape& shape) {
  uint64_t product = 1;
  for (const uint64_t size : shape) {
    // Zeros are put aside so that a hidden overflow between two other axes is found too.
    const std::optional<uint64_t> next = CheckedMultiply(product, std::max<uint64_t>(size, 1));
    if (!next || *next > uint64_t{INT64_MAX}) return std::nullopt;
    product = *next;
  }
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? product : 0;
}

uint64_t RowCount(const Shape& shape) { return shape.size() < 2 ? 1 : shape[0]; }

uint64_t RowSize(const Shape& shape) {
  uint64_t product = 1;
  for (size_t axis = shape.size() < 2 ? 0 : 1; axis < shape.size(); ++axis) product *= shape[axis];
  return product;
}

std::string ToText(const Shape& shape) {
  std::string text = "[";
  for (size_t axis = 0; axis < shape.size(); ++axis) text += Cat(axis == 0 ? "" : ", ", shape[axis]);
  return text + "]";
}

}  // namespace octet
