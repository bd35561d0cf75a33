#include "models/block_matrix.h"

#include <algorithm>
#include <cmath>

namespace octet {
namespace {

constexpr int kMiddleCode = 8;  // of Q4_1's codes and zero points, 0 to 15 there and -8 to 7 here
constexpr size_t kRowsLookedAt = 64;

// Calls body(index, block) for the blocks of the rows, in their order.
template <class Body>
Status ForEachBlock(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count, Body&& body) {
  const GgmlBlock format = *matrix.block;
  const size_t bytes = InfoOf(format).bytes, blocks = count * matrix.columns / kGgmlCodes;
  std::vector<std::byte> stored(blocks * bytes);
  OCTET_TRY(tensors.ReadBlocks(matrix.codes, first, count, stored.data()));
  for (size_t index = 0; index < blocks; ++index) body(index, ReadGgmlIntegers(format, stored.data() + index * bytes));
  return {};
}

// The zero point, 0 to 15, with which (code - zero point) * scale is the block's weights to the bit; nothing where none
// is. Of a block of zeros any would do.
std::optional<int> ZeroPointOf(const GgmlIntegers& block) {
  if (block.scale == 0) return block.minimum == 0 ? std::optional(kMiddleCode) : std::nullopt;
  const float zero = -block.minimum / block.scale;
  const bool is_code = zero >= 0 && zero <= 15 && zero == std::nearbyint(zero) && zero * block.scale == -block.minimum;
  return is_code ? std::optional(static_cast<int>(zero)) : std::nullopt;
}

Result<bool> HasZeroPoints(const TensorSource& tensors, const IntegerMatrix& matrix) {
  bool all = true;
  for (size_t first = 0; all && first < matrix.rows; first += kRowsLookedAt) {
    const size_t count = std::min(kRowsLookedAt, matrix.rows - first);
    OCTET_TRY(ForEachBlock(tensors, matrix, first, count,
                           [&](size_t, const GgmlIntegers& block) { all = all && ZeroPointOf(block); }));
  }
  return all;
}

}  // namespace

Result<std::optional<IntegerMatrix>> FindBlockMatrix(const TensorSource& tensors, const WeightSlot& slot) {
  const TensorInfo* info = tensors.Find(slot.tensor);
  if (!slot.IsMatrix() || info == nullptr || !info->block || *info->block == GgmlBlock::kMxfp4)
    return std::optional<IntegerMatrix>();
  if (const Shape expected{slot.tensor_rows, slot.columns}; info->shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", info->name, " has shape ", ToText(info->shape),
                ", config.json asks for ", ToText(expected));
  }
  IntegerMatrix matrix{.codes = info->name, .scales = info->name, .layout = CodeLayout::kBlocks, .bits = 4};
  matrix.block = info->block;
  matrix.rows = slot.tensor_rows;
  matrix.columns = slot.columns;
  matrix.group = kGgmlCodes;
  matrix.groups = slot.columns / kGgmlCodes;
  if (info->block == GgmlBlock::kQ4_0) {
    matrix.format = kernels::WeightFormat::kInt4Group32;
  } else if (info->block == GgmlBlock::kQ4_1 && OCTET_TRY(HasZeroPoints(tensors, matrix))) {
    matrix.zeros = info->name;
    matrix.format = kernels::WeightFormat::kInt4Zeros32;
  } else {
    matrix.decoded = Cat(info->stored_type, info->block == GgmlBlock::kQ4_1 ? " whose minima are no zero points" : "");
  }
  return std::optional<IntegerMatrix>(std::move(matrix));
}

Status internal::ReadBlockCodes(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count,
                                std::span<int8_t> to) {
  const int offset = matrix.zeros.empty() ? 0 : kMiddleCode;
  return ForEachBlock(tensors, matrix, first, count, [&](size_t index, const GgmlIntegers& block) {
    for (size_t i = 0; i < kGgmlCodes; ++i) to[index * kGgmlCodes + i] = static_cast<int8_t>(block.codes[i] - offset);
  });
}

Status internal::ReadBlockScales(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count,
                                 std::span<float> to) {
  return ForEachBlock(tensors, matrix, first, count,
                      [&](size_t index, const GgmlIntegers& block) { to[index] = block.scale; });
}

Result<std::vector<int16_t>> internal::ReadBlockZeros(const TensorSource& tensors, const IntegerMatrix& matrix,
                                                      size_t first, size_t count) {
  std::vector<int16_t> zeros(count * matrix.groups);
  OCTET_TRY(ForEachBlock(tensors, matrix, first, count, [&](size_t index, const GgmlIntegers& block) {
    zeros[index] = static_cast<int16_t>(ZeroPointOf(block).value_or(kMiddleCode) - kMiddleCode);
  }));
  return zeros;
}

}  // namespace octet
