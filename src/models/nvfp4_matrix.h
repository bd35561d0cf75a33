// The NVFP4 codes and scales of a linear module in a checkpoint of compressed-tensors or ModelOpt, as the kernels take
// them: E2M1 codes, two a byte, an E4M3 scale for each block of 16 inputs and one factor for the whole tensor.
//
//   std::optional<Nvfp4Matrix> matrix = OCTET_TRY(FindNvfp4Matrix(tensors, slot));
//   OCTET_TRY(matrix->ReadCodes(tensors, first_row, count, codes));
//
// The tensors decide, not the configuration. Layout: docs/formats/compressed_tensors.md. MXFP4 (models/mx_matrix.h) is
// the same with scales that are powers of two, one for two blocks.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/tensor_source.h"
#include "models/model_spec.h"
#include "models/mx_matrix.h"

namespace octet {

// weight[row, column] = code * scale of (row, column / 16) * factor
struct Nvfp4Matrix {
  std::string codes = {};   // tensor: bytes [rows, ceil(columns / 2)], the even column in the lower half
  std::string scales = {};  // tensor: F8_E4M3 [rows, blocks()]
  size_t rows = 0, columns = 0;
  float factor = 1;
  float input_scale = 0;  // what inputs that are rounded to NVFP4 are scaled by besides their blocks; 0: by their own
  // What inputs are multiplied with first (models/input_factors.h): no kernel does it, weights are decoded at load
  // then.
  std::vector<float> input_factors = {};
  std::optional<MxMatrix> mx = {};  // where the codes and scales are those of MXFP4
  int one = 0;                      // its E8M0 code that stands for a scale of 1

  // Scales of a row; the last block may be shorter than the others.
  size_t blocks() const;

  // Codes of rows first .. first + count - 1, [count, columns], 0 .. 15 each.
  Status ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const;

  // Scales of those rows, [count, blocks()], as they are stored. Fails with corrupt, naming the place, where one is
  // negative or no number.
  Status ReadScales(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const;

  // Weights of those rows, [count, columns], factors of inputs included.
  Status ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const;

 private:
  Status ReadPowers(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const;
};

// Nothing where the slot's module isn't stored so. Fails with corrupt, not_found or unsupported, naming tensor and
// sizes.
Result<std::optional<Nvfp4Matrix>> FindNvfp4Matrix(const TensorSource& tensors, const WeightSlot& slot);

// MXFP4 as NVFP4, the same numbers; nothing where they aren't: E4M3 has 18 powers of two, and a tensor whose blocks
// other than zeros have powers further apart doesn't fit. Reads all scales, and codes where scales are far apart.
Result<std::optional<Nvfp4Matrix>> AsNvfp4(const TensorSource& tensors, const MxMatrix& mx);

}  // namespace octet
