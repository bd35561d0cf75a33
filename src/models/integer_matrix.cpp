#include "models/integer_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "formats/packed_integers.h"

namespace octet {
namespace {

using kernels::WeightFormat;

constexpr size_t kGroups[] = {128, 64, 32};
constexpr WeightFormat kGroupFormats[] = {WeightFormat::kInt4Group128, WeightFormat::kInt4Group64,
                                          WeightFormat::kInt4Group32};
constexpr WeightFormat kZeroFormats[] = {WeightFormat::kInt4Zeros128, WeightFormat::kInt4Zeros64,
                                         WeightFormat::kInt4Zeros32};
constexpr int kInt4Offset = 8;  // of codes and zero points as they are stored

// weight_shape, [2] integers, where it is there: readers need it, and it must not say otherwise.
Status CheckShape(const TensorSource& tensors, const std::string& module, const IntegerMatrix& matrix) {
  const std::string name = module + ".weight_shape";
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr) return {};
  if (info->dtype != DType::kI64 || info->shape != Shape{2}) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                ", [2] in I64 is expected");
  }
  int64_t shape[2] = {};
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(name));
  std::memcpy(shape, bytes.data(), sizeof shape);
  if (shape[0] == static_cast<int64_t>(matrix.rows) && shape[1] == static_cast<int64_t>(matrix.columns)) return {};
  return Fail(ErrorCode::kCorrupt, "tensor ", name, " says [", shape[0], ", ", shape[1], "], config.json asks for [",
              matrix.rows, ", ", matrix.columns, "]");
}

// What would change which scale a code has and isn't computed.
Status RefuseOrder(const TensorSource& tensors, const std::string& module) {
  const std::string name = module + ".weight_g_idx";
  if (tensors.Find(name) == nullptr) return {};
  return Fail(ErrorCode::kUnsupported, "tensor ", name,
              " is there: inputs are assigned to groups one by one, which isn't known; groups of neighbours are");
}

// Zero points of codes of 4 bits, packed as the codes are, but down the rows.
Status FindZeros(const TensorSource& tensors, const std::string& module, const DeclaredIntegers& declared,
                 IntegerMatrix& matrix) {
  const std::string name = module + ".weight_zero_point";
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr) {
    if (!declared.all_asymmetric) return {};
    return Fail(ErrorCode::kCorrupt, "tensor ", name,
                " is missing, the quantization_config says that codes have zero points");
  }
  if (matrix.bits != 4 || !matrix.is_packed) {
    return Fail(ErrorCode::kUnsupported, "tensor ", name, " is there: ", matrix.bits, "-bit codes",
                matrix.is_packed ? "" : " in I8", " with zero points aren't known; packed ones of 4 bits are");
  }
  const Shape expected = {PackedWords(matrix.rows, 4), matrix.groups};
  if (info->dtype != DType::kI32 || info->shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                "; zero points of ", matrix.rows, " rows in ", matrix.groups, " groups are ", ToText(expected),
                " in I32");
  }
  matrix.zeros = name;
  return {};
}

// Columns that share a scale where a row has `groups` of them.
Result<size_t> GroupSize(const IntegerMatrix& matrix, const DeclaredIntegers& declared) {
  const bool has_whole_row = !declared.all_grouped || matrix.bits != 4 ||
                             std::any_of(declared.group_sizes.begin(), declared.group_sizes.end(),
                                         [&](size_t size) { return size >= matrix.columns; });
  if (matrix.groups == 1 && has_whole_row) return matrix.columns;
  std::vector<size_t> fitting;
  for (const size_t size : declared.group_sizes) {
    if (CeilDivide(matrix.columns, size) == matrix.groups) fitting.push_back(size);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty() && declared.group_sizes.empty() && matrix.columns % matrix.groups == 0) {
    return matrix.columns / matrix.groups;
  }
  std::string sizes;
  for (const size_t size : declared.group_sizes) sizes += Cat(sizes.empty() ? "" : ", ", size);
  return Fail(ErrorCode::kCorrupt, "scale ", matrix.scales, " has ", matrix.groups,
              matrix.groups == 1 ? " column for " : " columns for ", matrix.columns,
              " inputs, the quantization_config's group_size is ", sizes.empty() ? "not given" : sizes);
}

Result<WeightFormat> FormatOf(const IntegerMatrix& matrix) {
  if (matrix.bits == 8 && matrix.groups == 1) return WeightFormat::kInt8;
  if (matrix.bits == 8) {
    return Fail(ErrorCode::kUnsupported, "scale ", matrix.scales, " has ", matrix.groups,
                " columns; INT8 is known with one scale per row or tensor");
  }
  const auto& formats = matrix.zeros.empty() ? kGroupFormats : kZeroFormats;
  if (matrix.groups == 1) return formats[0];  // the same scale in each
  for (size_t i = 0; i < std::size(kGroups); ++i) {
    if (matrix.group % kGroups[i] == 0) return formats[i];
  }
  return Fail(ErrorCode::kUnsupported, "scale ", matrix.scales, " stands for groups of ", matrix.group,
              " inputs; INT4 is known in groups of 32 or multiples of it");
}

Status FindScales(const TensorSource& tensors, const std::string& module, IntegerMatrix& matrix) {
  matrix.scales = module + ".weight_scale";
  const TensorInfo* info = tensors.Find(matrix.scales);
  if (info == nullptr) {
    return Fail(ErrorCode::kNotFound, "tensor ", matrix.codes, " holds integer codes, but their scale ", matrix.scales,
                " is missing");
  }
  const bool is_one = ElementCount(info->shape) == 1;
  const bool is_column = info->shape == Shape{matrix.rows};
  const bool is_table = info->shape.size() == 2 && info->shape[0] == matrix.rows && info->shape[1] >= 1 &&
                        info->shape[1] <= matrix.columns;
  if (!IsFloat(info->dtype) || (!is_one && !is_column && !is_table)) {
    return Fail(ErrorCode::kCorrupt, "scale ", matrix.scales, " has shape ", ToText(info->shape), " in ",
                info->stored_type, "; expected are floats: one, [", matrix.rows, "] or [", matrix.rows,
                ", number of groups]");
  }
  matrix.groups = is_one || is_column ? 1 : info->shape[1];
  return {};
}

// int8 codes: INT8 with a scale a row, INT4 where there are groups.
Status DescribePlain(const TensorInfo& info, IntegerMatrix& matrix) {
  matrix.codes = info.name;
  matrix.is_packed = false;
  if (info.shape == Shape{matrix.rows, matrix.columns}) return {};
  return Fail(ErrorCode::kCorrupt, "tensor ", info.name, " has shape ", ToText(info.shape), ", config.json asks for [",
              matrix.rows, ", ", matrix.columns, "]");
}

// Bits of the codes in a row of `words`.
Result<std::optional<int>> BitsOf(uint64_t words, const IntegerMatrix& matrix, const DeclaredIntegers& declared) {
  const std::optional<int> bits = BitsOfPacked(words, matrix.columns);
  if (!bits || PackedWords(matrix.columns, 4) != PackedWords(matrix.columns, 8)) return bits;
  if (declared.bits.size() == 1) return declared.bits.front();
  return Fail(ErrorCode::kCorrupt, "tensor ", matrix.codes, ": ", matrix.columns,
              " codes fill one word in 4 bits and in 8, and the quantization_config gives ",
              declared.bits.empty() ? "no num_bits" : "both as num_bits");
}

Status DescribePacked(const TensorInfo& info, const DeclaredIntegers& declared, IntegerMatrix& matrix) {
  matrix.codes = info.name;
  matrix.is_packed = true;
  const bool is_table = info.dtype == DType::kI32 && info.shape.size() == 2 && info.shape[0] == matrix.rows;
  std::optional<int> bits;
  if (is_table) bits = OCTET_TRY(BitsOf(info.shape[1], matrix, declared));
  if (!bits) {
    return Fail(info.dtype == DType::kI32 ? ErrorCode::kCorrupt : ErrorCode::kUnsupported, "tensor ", info.name,
                " has shape ", ToText(info.shape), " in ", info.stored_type, "; codes of ", matrix.rows, " x ",
                matrix.columns, " weights are [", matrix.rows, ", ", PackedWords(matrix.columns, 4), "] (4 bits) or [",
                matrix.rows, ", ", PackedWords(matrix.columns, 8), "] (8 bits) in I32");
  }
  matrix.bits = *bits;
  return {};
}

template <class T>
void AddOnce(T value, std::vector<T>& to) {
  if (std::find(to.begin(), to.end(), value) == to.end()) to.push_back(value);
}

}  // namespace

DeclaredIntegers ReadDeclaredIntegers(const Json& config) {
  DeclaredIntegers declared;
  const Json* quantisation = FindMember(config, "quantization_config");
  const Json* groups = quantisation == nullptr ? nullptr : FindMember(*quantisation, "config_groups");
  if (groups == nullptr || !groups->is_object()) return declared;
  size_t symmetric = 0, asymmetric = 0, grouped = 0;
  for (const Json& group : *groups) {
    const Json* weights = group.is_object() ? FindMember(group, "weights") : nullptr;
    if (weights == nullptr || !weights->is_object()) continue;
    if (const Json* type = FindMember(*weights, "type"); type != nullptr && *type == "float") continue;
    const Json* is_symmetric = FindMember(*weights, "symmetric");
    ++(is_symmetric != nullptr && is_symmetric->is_boolean() && !is_symmetric->get<bool>() ? asymmetric : symmetric);
    if (const Json* bits = FindMember(*weights, "num_bits"); bits != nullptr && (*bits == 4 || *bits == 8))
      AddOnce(bits->get<int>(), declared.bits);
    const Json* size = FindMember(*weights, "group_size");
    if (size == nullptr || !size->is_number_integer() || size->get<int64_t>() <= 0) continue;
    ++grouped;
    AddOnce(size->get<size_t>(), declared.group_sizes);
  }
  declared.all_asymmetric = asymmetric > 0 && symmetric == 0;
  declared.all_grouped = grouped > 0 && grouped == symmetric + asymmetric;
  return declared;
}

Result<std::optional<IntegerMatrix>> FindIntegerMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                       const DeclaredIntegers& declared) {
  if (!slot.IsMatrix() || !slot.tensor.ends_with(".weight")) return std::optional<IntegerMatrix>();
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* plain = tensors.Find(slot.tensor);
  const TensorInfo* packed = tensors.Find(module + ".weight_packed");
  if (packed != nullptr && packed->dtype == DType::kU8) return std::optional<IntegerMatrix>();  // models/nvfp4_matrix.h
  const bool is_plain = plain != nullptr && plain->dtype == DType::kI8;
  if (packed == nullptr && !is_plain) return std::optional<IntegerMatrix>();
  if (packed != nullptr && plain != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", plain->name, " and ", packed->name,
                " are both there; which of them holds the weights is open");
  }
  IntegerMatrix matrix{.rows = slot.tensor_rows, .columns = slot.columns};
  OCTET_TRY(packed != nullptr ? DescribePacked(*packed, declared, matrix) : DescribePlain(*plain, matrix));
  OCTET_TRY(CheckShape(tensors, module, matrix));
  OCTET_TRY(RefuseOrder(tensors, module));
  OCTET_TRY(FindScales(tensors, module, matrix));
  if (is_plain && matrix.groups > 1 && declared.bits != std::vector<int>{8}) matrix.bits = 4;
  OCTET_TRY(FindZeros(tensors, module, declared, matrix));
  matrix.group = OCTET_TRY(GroupSize(matrix, declared));
  matrix.format = OCTET_TRY(FormatOf(matrix));
  return std::optional<IntegerMatrix>(std::move(matrix));
}

Status IntegerMatrix::ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<int8_t> to) const {
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(codes));
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
  if (stored == 1) {
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

Result<std::vector<int8_t>> IntegerMatrix::ReadZeros(const TensorSource& tensors, size_t first, size_t count) const {
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(zeros));
  std::vector<int8_t> all(count * groups);
  for (size_t row = first; row < first + count; ++row) {
    for (size_t group_index = 0; group_index < groups; ++group_index) {
      // Eight rows of a group share a word, little-endian: two rows a byte.
      const size_t word = row / 8 * groups + group_index;
      const int byte = std::to_integer<int>(bytes[4 * word + row % 8 / 2]);
      const int stored = row % 2 == 0 ? byte & 15 : byte >> 4;
      all[(row - first) * groups + group_index] = static_cast<int8_t>(stored - kInt4Offset);
    }
  }
  return all;
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

std::vector<uint8_t> KernelZeros(const IntegerMatrix& matrix, std::span<const int8_t> zeros) {
  const size_t size = kernels::Int4Group(matrix.format), groups = CeilDivide(matrix.columns, size);
  std::vector<uint8_t> to;
  for (size_t row = 0; row * matrix.groups < zeros.size(); ++row) {
    const std::span<const int8_t> from = zeros.subspan(row * matrix.groups, matrix.groups);
    for (size_t index = 0; index < groups; ++index)
      to.push_back(static_cast<uint8_t>(from[index * size / matrix.group] + kInt4Offset));
  }
  return to;
}

}  // namespace octet
