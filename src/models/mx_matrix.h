// The codes and scales of a linear module in a microscaling format (OCP MX 1.0): E4M3 or E2M1 codes, a power of two for
// each block of 32 inputs. No kernel multiplies them as they are: MXFP4 is read as NVFP4 where that is the same numbers
// (models/nvfp4_matrix.h), else they are decoded, which is exact in BF16.
//
//   std::optional<MxMatrix> matrix = OCTET_TRY(FindMxMatrix(tensors, slot));
//   OCTET_TRY(matrix->ReadRows(tensors, first_row, count, floats));
//
// The tensors decide, not the configuration. Layout: docs/formats/modelopt.md.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

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
  bool in_ggml_blocks = false;  // MXFP4 of a GGUF file: `codes` holds both (numeric/ggml_blocks.h)
  size_t rows = 0, columns = 0;

  // Scales of a row; the last block may be shorter than the others.
  size_t blocks() const;

  // Codes of rows first .. first + count - 1, [count, columns], bits of E4M3 or E2M1.
  Status ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const;

  // Scales of those rows, [count, blocks()], in E8M0.
  Status ReadPowers(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const;

  // Weights of those rows, [count, columns]. Fails with corrupt, naming the place, where a code or
  // scale is no number.
  Status ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const;

 private:
  Result<std::vector<std::byte>> ReadGgmlBlocks(const TensorSource& tensors, size_t first, size_t count) const;
};

// Nothing where the slot's module isn't stored so. Fails with corrupt or unsupported, naming tensor and sizes.
Result<std::optional<MxMatrix>> FindMxMatrix(const TensorSource& tensors, const WeightSlot& slot);

}  // namespace octet
