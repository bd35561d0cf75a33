// Matrices in the blocks of a GGUF file (numeric/ggml_blocks.h), as the integer codes that they are where a kernel
// multiplies them.
//
//   std::optional<IntegerMatrix> matrix = OCTET_TRY(FindBlockMatrix(tensors, slot));
//
// Q4_0 is INT4 in groups of 32 with scales in FP16. Q4_1 is the same with zero points where every block's minimum is
// one, 0 to 15 times its scale below 0; a file's tensor is looked through until one isn't. Other blocks, but for MXFP4
// (models/mx_matrix.h), have no kernel and are decoded. The file: docs/formats/gguf.md.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "models/integer_matrix.h"

namespace octet {

// Nothing where the slot's tensor isn't stored in blocks of another kind than MXFP4. Fails as the source does, with
// corrupt where the shape isn't the slot's.
Result<std::optional<IntegerMatrix>> FindBlockMatrix(const TensorSource& tensors, const WeightSlot& slot);

namespace internal {
// The same as the functions of IntegerMatrix, of one whose codes lie in blocks and aren't decoded: codes [count,
// columns], scales and zero points [count, groups].
Status ReadBlockCodes(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count,
                      std::span<int8_t> to);
Status ReadBlockScales(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count,
                       std::span<float> to);
Result<std::vector<int16_t>> ReadBlockZeros(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first,
                                            size_t count);
}  // namespace internal

}  // namespace octet
