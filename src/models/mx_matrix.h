// The codes and scales of a linear module in a microscaling format (OCP MX 1.0): E4M3 or E2M1 codes, a power of two for
// each block of 32 inputs. No kernel multiplies them; decoded they are exact in BF16.
//
//   std::optional<MxMatrix> matrix = OCTET_TRY(FindMxMatrix(tensors, slot));
//   OCTET_TRY(matrix->ReadRows(tensors, first_row, count, floats));
//
// The tensors decide, not the configuration. Layout: docs/formats/modelopt.md.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "formats/tensor_source.h"
#include "models/model_spec.h"

namespace octet {

// weight[row, column] = code * 2^(scale of (row, column / 32) - 127)
struct MxMatrix {
  std::string codes = {};   // tensor: E4M3 [rows, columns]; of E2M1 bytes [rows, ceil(columns / 2)], the even column in
                            // the lower half
  std::string scales = {};  // tensor: bytes [rows, blocks()] in U8 or F8_E8M0
  bool is_e4m3 = false;     // MXFP8, else MXFP4
  size_t rows = 0, columns = 0;

  // Scales of a row; the last block may be shorter than the others.
  size_t blocks() const;

  // Weights of rows first .. first + count - 1, [count, columns]. Fails with corrupt, naming the place, where a code or
  // scale is no number.
  Status ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const;
};

// Nothing where the slot's module isn't stored so. Fails with corrupt or unsupported, naming tensor and sizes.
Result<std::optional<MxMatrix>> FindMxMatrix(const TensorSource& tensors, const WeightSlot& slot);

}  // namespace octet
