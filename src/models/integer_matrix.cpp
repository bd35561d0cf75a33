#include "models/integer_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/counted.h"
#include "formats/packed_integers.h"
#include "models/block_matrix.h"
#include "models/input_factors.h"
#include "models/table_matrix.h"

namespace octet {
namespace {

using kernels::WeightFormat;

constexpr size_t kGroups[] = {128, 64, 32};
constexpr WeightFormat kGroupFormats[] = {WeightFormat::kInt4Group128, WeightFormat::kInt4Group64,
                                          WeightFormat::kInt4Group32};
constexpr WeightFormat kZeroFormats[] = {WeightFormat::kInt4Zeros128, WeightFormat::kInt4Zeros64,
                                         WeightFormat::kInt4Zeros32};

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
  const bool is_packed = matrix.layout == CodeLayout::kWords;
  if (matrix.bits != 4 || !is_packed) {
    return Fail(ErrorCode::kUnsupported, "tensor ", name, " is there: ", matrix.bits, "-bit codes",
                is_packed ? "" : " in I8", " with zero points aren't known; packed ones of 4 bits are");
  }
  const Shape expected = {PackedWords(matrix.rows, 4), matrix.groups};
  if (info->dtype != DType::kI32 || info->shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                "; zero points of ", Counted(matrix.rows, "row"), " in ", Counted(matrix.groups, "group"), " are ",
                ToText(expected), " in I32");
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
              matrix.groups == 1 ? " column for " : " columns for ", Counted(matrix.columns, "input"),
              ", the quantization_config's group_size is ", sizes.empty() ? "not given" : sizes);
}

// The kernel's format, or why there is none. A size of groups that none has must be said by the configuration: the last
// one may be short, and then the number of groups fits several.
Status ChooseFormat(const DeclaredIntegers& declared, IntegerMatrix& matrix) {
  if (const std::optional<WeightFormat> format = internal::IntegerFormat(matrix)) {
    matrix.format = *format;
  } else if (declared.group_sizes.empty()) {
    return Fail(ErrorCode::kUnsupported, "scale ", matrix.scales, " has ", Counted(matrix.groups, "column"), " for ",
                Counted(matrix.columns, "input"), "; INT", matrix.bits, " in ",
                matrix.bits == 4 ? "groups that aren't of 32 or multiples of it" : "groups",
                " is read where the quantization_config gives the group_size");
  } else {
    matrix.decoded =
        Cat("INT", matrix.bits, matrix.zeros.empty() ? "" : " with zero points", " in groups of ", matrix.group);
  }
  if (!matrix.input_factors.empty()) matrix.decoded = Cat("INT", matrix.bits, " with factors of inputs");
  return {};
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
Status DescribePlain(const TensorInfo& info, const DeclaredIntegers& declared, IntegerMatrix& matrix) {
  if (declared.all_floats) {
    return Fail(ErrorCode::kCorrupt, "tensor ", info.name, " holds integers in ", info.stored_type,
                ", the quantization_config says that codes are floats; those of E4M3 are stored as F8_E4M3");
  }
  matrix.codes = info.name;
  matrix.layout = CodeLayout::kBytes;
  if (info.shape == Shape{matrix.rows, matrix.columns}) return {};
  return Fail(ErrorCode::kCorrupt, "tensor ", info.name, " has shape ", ToText(info.shape), ", config.json asks for [",
              matrix.rows, ", ", matrix.columns, "]");
}

void DescribePairs(const TensorInfo& info, IntegerMatrix& matrix) {
  matrix.codes = info.name;
  matrix.layout = CodeLayout::kRowPairs;
  matrix.bits = 4;
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
  matrix.layout = CodeLayout::kWords;
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

// Methods that know FP8 alone, and ModelOpt's algorithm of all layers.
bool IsFp8Method(const Json& quantisation) {
  const Json *method = FindMember(quantisation, "quant_method"), *algorithm = FindMember(quantisation, "quant_algo");
  if (method != nullptr && (*method == "fp8" || *method == "fbgemm_fp8")) return true;
  return algorithm != nullptr && algorithm->is_string() && algorithm->get_ref<const std::string&>().starts_with("FP8");
}

}  // namespace

DeclaredIntegers ReadDeclaredIntegers(const Json& config) {
  const Json* quantisation = FindMember(config, "quantization_config");
  if (quantisation == nullptr || !quantisation->is_object()) return {};
  DeclaredIntegers declared = ReadDeclaredTables(*quantisation);
  const Json* groups = FindMember(*quantisation, "config_groups");
  declared.all_floats = IsFp8Method(*quantisation);
  if (groups == nullptr || !groups->is_object()) return declared;
  size_t symmetric = 0, asymmetric = 0, grouped = 0, floats = 0;
  for (const Json& group : *groups) {
    const Json* weights = group.is_object() ? FindMember(group, "weights") : nullptr;
    if (weights == nullptr || !weights->is_object()) continue;
    if (const Json* type = FindMember(*weights, "type"); type != nullptr && *type == "float") {
      ++floats;
      continue;
    }
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
  declared.all_floats = symmetric + asymmetric == 0 && (floats > 0 || declared.all_floats);
  return declared;
}

bool HoldsRowPairs(const TensorInfo& info, const WeightSlot& slot) {
  return info.dtype == DType::kU8 && slot.tensor_rows % 2 == 0 &&
         info.shape == Shape{slot.tensor_rows / 2, slot.columns};
}

Result<std::optional<IntegerMatrix>> FindIntegerMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                       const DeclaredIntegers& declared) {
  if (!slot.IsMatrix() || !slot.tensor.ends_with(".weight")) return std::optional<IntegerMatrix>();
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* plain = tensors.Find(slot.tensor);
  const TensorInfo* packed = tensors.Find(module + ".weight_packed");
  if (plain != nullptr && plain->block) return FindBlockMatrix(tensors, slot);
  if (packed != nullptr && packed->dtype == DType::kU8) return std::optional<IntegerMatrix>();  // models/nvfp4_matrix.h
  if (tensors.Find(module + ".qweight") != nullptr) return FindTableMatrix(tensors, slot, declared);
  const bool is_plain = plain != nullptr && plain->dtype == DType::kI8;
  const bool is_pairs = plain != nullptr && HoldsRowPairs(*plain, slot);
  if (packed == nullptr && !is_plain && !is_pairs) return std::optional<IntegerMatrix>();
  if (packed != nullptr && plain != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", plain->name, " and ", packed->name,
                " are both there; which of them holds the weights is open");
  }
  IntegerMatrix matrix{.rows = slot.tensor_rows, .columns = slot.columns};
  if (is_pairs)
    DescribePairs(*plain, matrix);
  else
    OCTET_TRY(packed != nullptr ? DescribePacked(*packed, declared, matrix) : DescribePlain(*plain, declared, matrix));
  OCTET_TRY(CheckShape(tensors, module, matrix));
  OCTET_TRY(RefuseOrder(tensors, module));
  OCTET_TRY(FindScales(tensors, module, matrix));
  if (is_plain && matrix.groups > 1 && declared.bits != std::vector<int>{8}) matrix.bits = 4;
  OCTET_TRY(FindZeros(tensors, module, declared, matrix));
  matrix.group = OCTET_TRY(GroupSize(matrix, declared));
  matrix.input_factors = OCTET_TRY(ReadInputFactors(tensors, module, matrix.columns));
  OCTET_TRY(ChooseFormat(declared, matrix));
  return std::optional<IntegerMatrix>(std::move(matrix));
}

std::optional<WeightFormat> internal::IntegerFormat(const IntegerMatrix& matrix) {
  if (matrix.bits == 8 && matrix.groups == 1 && matrix.zeros.empty()) return WeightFormat::kInt8;
  if (matrix.bits != 4) return std::nullopt;
  const auto& formats = matrix.zeros.empty() ? kGroupFormats : kZeroFormats;
  if (matrix.groups == 1) return formats[0];  // the same scale in each
  for (size_t i = 0; i < std::size(kGroups); ++i) {
    if (matrix.group % kGroups[i] == 0) return formats[i];
  }
  return std::nullopt;
}

}  // namespace octet
