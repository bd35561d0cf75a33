// Codes, scales and zero points of an integer matrix, read from where they lie; the struct is in
// models/integer_matrix.h.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "formats/packed_integers.h"
#include "models/block_matrix.h"

namespace octet {
namespace {

constexpr int kInt4Offset = 8;  // of codes and zero points as the kernels store them

// Codes of rows first .. first + count - 1 of a table, which are unsigned there.
void UnpackTable(const CodeTable& table, std::span<const std::byte> bytes, size_t first, size_t count,
                 std::span<int8_t> to) {
  std::vector<uint8_t> stored(to.size());
  UnpackCodes(table, bytes, {.first_output = first, .outputs = count, .inputs = table.inputs}, stored);
  const int offset = 1 << (table.bits - 1);
  std::transform(stored.begin(), stored.end(), to.begin(),
                 [&](uint8_t code) { return static_cast<int8_t>(code - offset); });
}

// Signed codes of two rows a byte.
void UnpackPairs(std::span<const std::byte> bytes, size_t columns, size_t first, std::span<int8_t> to) {
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t row = first + i / columns;
    const int byte = std::to_integer<int>(bytes[row / 2 * columns + i % columns]);
    const int code = row % 2 == 0 ? byte & 15 : byte >> 4;
    to[i] = static_cast<int8_t>(code < 8 ? code : code - 16);
  }
}

// Scales [groups, rows] of a table, turned.
Status ReadScaleTable(const TensorSource& tensors, const IntegerMatrix& matrix, size_t first, size_t count,
                      std::span<float> to) {
  const DType dtype = tensors.Find(matrix.scales)->dtype;
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(matrix.scales));
  std::vector<float> of_group(count);
  for (size_t group = 0; group < matrix.groups; ++group) {
    DecodeElements(dtype, bytes.data() + (group * matrix.rows + first) * ByteSize(dtype), count, of_group.data());
    for (size_t row = 0; row < count; ++row) to[row * matrix.groups + group] = of_group[row];
  }
  return {};
}

}  // namespace

Status IntegerMatrix::ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<int8_t> to) const {
  if (layout == CodeLayout::kBlocks) return internal::ReadBlockCodes(tensors, *this, first, count, to);
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(codes));
  if (layout == CodeLayout::kTable) {
    UnpackTable(table, bytes, first, count, to);
    return {};
  }
  if (layout == CodeLayout::kRowPairs) {
    UnpackPairs(bytes, columns, first, to);
    return {};
  }
  const bool is_packed = layout == CodeLayout::kWords;
  const size_t row_bytes = is_packed ? 4 * PackedWords(columns, bits) : columns;
  const std::span<const std::byte> from = bytes.subspan(first * row_bytes, count * row_bytes);
  if (is_packed) {
    UnpackIntegers(from, columns, bits, to);
    return {};
  }
  std::memcpy(to.data(), from.data(), from.size());
  if (bits == 8) return {};
  const auto found = std::find_if(to.begin(), to.end(), [](int8_t code) { return code < -8 || code > 7; });
  if (found == to.end()) return {};
  const auto at = static_cast<size_t>(found - to.begin());
  return Fail(ErrorCode::kCorrupt, "tensor ", codes, " holds the code ", static_cast<int>(*found), " in row ",
              first + at / columns, ", column ", at % columns, "; codes of 4 bits are -8 to 7");
}

Result<std::vector<float>> IntegerMatrix::ReadScales(const TensorSource& tensors, size_t first, size_t count) const {
  const TensorInfo& info = *tensors.Find(scales);
  const uint64_t stored = *ElementCount(info.shape);
  std::vector<float> all(count * groups);
  if (layout == CodeLayout::kBlocks) {
    OCTET_TRY(internal::ReadBlockScales(tensors, *this, first, count, all));
  } else if (layout == CodeLayout::kTable) {
    OCTET_TRY(ReadScaleTable(tensors, *this, first, count, all));
  } else if (stored == 1) {
    OCTET_TRY(tensors.ReadRows(scales, 0, RowCount(info.shape), all.data()));
    std::fill(all.begin() + 1, all.end(), all.front());
  } else if (info.shape.size() == 1) {
    std::vector<float> column(stored);
    OCTET_TRY(tensors.ReadRows(scales, 0, 1, column.data()));
    std::copy_n(column.begin() + static_cast<std::ptrdiff_t>(first), count, all.begin());
  } else {
    OCTET_TRY(tensors.ReadRows(scales, first, count, all.data()));
  }
  const auto found = std::find_if(all.begin(), all.end(), [](float scale) { return !std::isfinite(scale); });
  if (found == all.end()) return all;
  const auto at = static_cast<size_t>(found - all.begin());
  return Fail(ErrorCode::kCorrupt, "scale ", scales, " is ", *found, " in row ", first + at / groups, ", group ",
              at % groups, "; the file is damaged or was quantised from such weights");
}

Result<std::vector<int16_t>> IntegerMatrix::ReadZeros(const TensorSource& tensors, size_t first, size_t count) const {
  if (layout == CodeLayout::kBlocks) return internal::ReadBlockZeros(tensors, *this, first, count);
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(zeros));
  const bool is_table = layout == CodeLayout::kTable;
  std::vector<uint8_t> stored(count * groups);
  if (is_table) {
    UnpackCodes(zero_table, bytes, {.first_output = first, .outputs = count, .inputs = groups}, stored);
  } else {  // down the rows, which stand where a table's inputs do: [groups, count]
    UnpackCodes({CodeRun::kDownInputs, 4, rows, groups}, bytes,
                {.outputs = groups, .first_input = first, .inputs = count}, stored);
  }
  std::vector<int16_t> all(stored.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t at = is_table ? i : i % groups * count + i / groups;
    all[i] = static_cast<int16_t>(stored[at] + zero_step - (1 << (bits - 1)));
  }
  return all;
}

Status IntegerMatrix::ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const {
  if (layout == CodeLayout::kBlocks) return tensors.ReadRows(codes, first, count, to);
  std::vector<int8_t> stored(count * columns);
  OCTET_TRY(ReadCodes(tensors, first, count, stored));
  const std::vector<float> of_groups = OCTET_TRY(ReadScales(tensors, first, count));
  std::vector<int16_t> offsets(of_groups.size());
  if (!zeros.empty()) offsets = OCTET_TRY(ReadZeros(tensors, first, count));
  for (size_t row = 0; row < count; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const size_t at = row * columns + column;
      const size_t of_row = group_of_input.empty() ? column / group : group_of_input[column];
      to[at] = static_cast<float>(stored[at] - offsets[row * groups + of_row]) * of_groups[row * groups + of_row];
      if (!input_factors.empty()) to[at] *= input_factors[column];
    }
  }
  return {};
}

float RowFactor(std::span<const float> scales) {
  const bool fits = std::all_of(scales.begin(), scales.end(), [](float s) { return ToFloat(ToFp16(s)) == s; });
  if (fits) return 1;
  float largest = 0;
  for (const float scale : scales) largest = std::max(largest, std::fabs(scale));
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest is below 2^exponent
  return std::ldexp(1.0F, std::max(exponent - 15, -126));
}

std::vector<Fp16> KernelScales(const IntegerMatrix& matrix, std::span<const float> scales) {
  const size_t size = kernels::Int4Group(matrix.format), groups = CeilDivide(matrix.columns, size);
  std::vector<Fp16> to;
  for (size_t row = 0; row * matrix.groups < scales.size(); ++row) {
    const std::span<const float> from = scales.subspan(row * matrix.groups, matrix.groups);
    const float factor = RowFactor(from);
    for (size_t index = 0; index < groups; ++index) to.push_back(ToFp16(from[index * size / matrix.group] / factor));
  }
  return to;
}

std::vector<uint8_t> KernelZeros(const IntegerMatrix& matrix, std::span<const int16_t> zeros) {
  const size_t size = kernels::Int4Group(matrix.format), groups = CeilDivide(matrix.columns, size);
  std::vector<uint8_t> to;
  for (size_t row = 0; row * matrix.groups < zeros.size(); ++row) {
    const std::span<const int16_t> from = zeros.subspan(row * matrix.groups, matrix.groups);
    for (size_t index = 0; index < groups; ++index)
      to.push_back(static_cast<uint8_t>(from[index * size / matrix.group] + kInt4Offset));
  }
  return to;
}

}  // namespace octet
