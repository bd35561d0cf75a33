// The scales of an E4M3 weight in blocks of 128 x 128, as DeepSeek's checkpoints and compressed-tensors have them.
//
//   std::optional<BlockScales> scales = OCTET_TRY(FindBlockScales(tensors, weight, checkpoint.config));
//   // weight[row, column] = code * scales->values[row / 128 * scales->blocks() + column / 128]
//
// Layout: docs/formats/compressed_tensors.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "formats/tensor_source.h"

namespace octet {

struct BlockScales {
  std::string tensor;
  uint64_t rows = 0, columns = 0;  // of the weight; the last blocks of both axes may be shorter
  std::vector<float> values;       // [ceil(rows / 128), blocks()], finite, none negative

  size_t blocks() const;  // of a row
  // The scales of rows first .. first + count - 1, [count, blocks()]: rows of a block have the same.
  std::vector<float> OfRows(size_t first, size_t count) const;
};

// The scales in `<weight>_scale_inv` (DeepSeek), or in `<weight>_scale` where that has the shape of blocks
// (compressed-tensors; a single number is one of a block only where config.json speaks of blocks). Nothing elsewhere.
// Fails with corrupt for another shape and for a scale that is negative or no number, with its place; with unsupported
// for other types and where config.json says that blocks are of another size.
Result<std::optional<BlockScales>> FindBlockScales(const TensorSource& tensors, const TensorInfo& weight,
                                                   const Json& config);

}  // namespace octet
