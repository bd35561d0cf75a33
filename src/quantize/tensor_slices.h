// A tensor in slices of rows, so that memory doesn't grow with the model.
//
//   OCTET_TRY(ForEachSlice(source, tensor, run, [&](uint64_t first_row, std::span<const float> floats) -> Status { ...
//   }));
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "quantize/quantize.h"

namespace octet {

// Weights of a slice, at least one row or block of rows: 16 MB of floats beside 4 MB of codes.
inline constexpr uint64_t kSliceWeights = uint64_t{4} << 20;

// Calls body(first row, floats) for consecutive slices of a tensor's rows, which end between rows that share no scales.
// Fails as the source and the body do, and with cancelled.
template <class Body>
Status ForEachSlice(const TensorSource& source, const TensorPrecision& tensor, const QuantizeRun& run, Body&& body) {
  const uint64_t rows = RowCount(tensor.shape), columns = RowSize(tensor.shape);
  if (columns == 0) return {};  // of rows without end, a file may say
  const uint64_t block = tensor.row_block(), most = kSliceWeights / columns;
  const uint64_t step = std::max(block, most / block * block);
  std::vector<float> floats;
  for (uint64_t first = 0; first < rows; first += step) {
    OCTET_TRY(run.cancel.Check());
    const uint64_t count = std::min(step, rows - first);
    floats.resize(count * columns);
    source.ExpectRows(tensor.source, first + count, step);
    OCTET_TRY(source.ReadRows(tensor.source, first, count, floats.data()));
    source.ReleaseRows(tensor.source, first, count);
    OCTET_TRY(body(first, std::span<const float>(floats)));
    run.progress.Advance(floats.size());
  }
  return {};
}

}  // namespace octet
