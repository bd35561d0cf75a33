#include "models/table_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/counted.h"
#include "models/input_factors.h"

namespace octet {
namespace {

constexpr int kGptqBits[] = {4, 8, 3, 2};

bool IsAwq(const IntegerMatrix& matrix) { return matrix.table.run == CodeRun::kInterleaved; }

// The zero point of symmetric codes.
int MiddleOf(const IntegerMatrix& matrix) { return 1 << (matrix.bits - 1); }

// The table that the tensor of codes is by its shape.
std::optional<CodeTable> TableOf(const Shape& shape, const WeightSlot& slot) {
  const CodeTable awq{CodeRun::kInterleaved, 4, slot.columns, slot.tensor_rows};
  if (slot.tensor_rows % 8 == 0 && shape == awq.shape()) return awq;
  for (const int bits : kGptqBits) {
    const CodeTable gptq{CodeRun::kDownInputs, bits, slot.columns, slot.tensor_rows};
    if (slot.columns * static_cast<size_t>(bits) % 32 == 0 && shape == gptq.shape()) return gptq;
  }
  return std::nullopt;
}

Status DescribeCodes(const TensorInfo& info, const WeightSlot& slot, const DeclaredIntegers& declared,
                     IntegerMatrix& matrix) {
  const std::optional<CodeTable> table = info.dtype == DType::kI32 ? TableOf(info.shape, slot) : std::nullopt;
  if (!table) {
    const bool is_gemv = info.shape == Shape{slot.tensor_rows, CeilDivide(slot.columns, 8)};
    return Fail(is_gemv ? ErrorCode::kUnsupported : ErrorCode::kCorrupt, "tensor ", info.name, " has shape ",
                ToText(info.shape), " in ", info.stored_type, is_gemv ? ", AutoAWQ's version gemv" : "", "; codes of ",
                slot.tensor_rows, " x ", slot.columns, " weights are [", slot.columns, ", ",
                CeilDivide(slot.tensor_rows, 8), "] (AutoAWQ's gemm) or [", CeilDivide(slot.columns, 8), ", ",
                slot.tensor_rows, "] (GPTQ, 4 bits) in I32");
  }
  matrix.codes = info.name;
  matrix.layout = CodeLayout::kTable;
  matrix.table = *table;
  matrix.bits = table->bits;
  if (declared.bits.empty() || declared.bits.front() == matrix.bits) return {};
  return Fail(ErrorCode::kCorrupt, "tensor ", info.name, " has shape ", ToText(info.shape), ", which holds codes of ",
              matrix.bits, " bits; the quantization_config says ", declared.bits.front());
}

// Inputs that share a scale.
Result<size_t> TableGroup(const IntegerMatrix& matrix, const DeclaredIntegers& declared) {
  const auto fits = [&](size_t size) { return CeilDivide(matrix.columns, size) == matrix.groups; };
  if (declared.group_sizes.empty() && (matrix.groups == 1 || matrix.columns % matrix.groups == 0))
    return matrix.columns / matrix.groups;
  if (!declared.group_sizes.empty() && fits(declared.group_sizes.front()))
    return std::min(declared.group_sizes.front(), matrix.columns);
  return Fail(ErrorCode::kCorrupt, "scale ", matrix.scales, " has ", matrix.groups,
              matrix.groups == 1 ? " group for " : " groups for ", Counted(matrix.columns, "input"),
              ", the quantization_config's group_size is ",
              declared.group_sizes.empty() ? std::string("not given") : Cat(declared.group_sizes.front()));
}

Status DescribeScales(const TensorSource& tensors, const std::string& module, const DeclaredIntegers& declared,
                      IntegerMatrix& matrix) {
  matrix.scales = module + ".scales";
  const TensorInfo* info = tensors.Find(matrix.scales);
  if (info == nullptr) {
    return Fail(ErrorCode::kNotFound, "tensor ", matrix.codes, " holds integer codes, but their scale ", matrix.scales,
                " is missing");
  }
  const bool is_table = info->shape.size() == 2 && info->shape[0] >= 1 && info->shape[0] <= matrix.columns &&
                        info->shape[1] == matrix.rows;
  if (!IsFloat(info->dtype) || !is_table) {
    return Fail(ErrorCode::kCorrupt, "scale ", matrix.scales, " has shape ", ToText(info->shape), " in ",
                info->stored_type, "; expected are floats, [number of groups, ", matrix.rows, "]");
  }
  matrix.groups = info->shape[0];
  matrix.group = OCTET_TRY(TableGroup(matrix, declared));
  return {};
}

// Groups of inputs where they aren't neighbours.
Status DescribeOrder(const TensorSource& tensors, const std::string& module, const DeclaredIntegers& declared,
                     IntegerMatrix& matrix) {
  const std::string name = module + ".g_idx";
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr) {
    if (!declared.orders_inputs || IsAwq(matrix) || matrix.groups == 1) return {};
    return Fail(ErrorCode::kCorrupt, "tensor ", name,
                " is missing: the quantization_config says desc_act, so that the ", Counted(matrix.groups, "group"),
                " of ", matrix.codes, " aren't of neighbouring inputs; get the whole model again");
  }
  if (info->dtype != DType::kI32 || info->shape != Shape{matrix.columns}) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                "; groups of ", Counted(matrix.columns, "input"), " are [", matrix.columns, "] in I32");
  }
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(name));
  std::vector<uint32_t> groups(matrix.columns);
  std::memcpy(groups.data(), bytes.data(), bytes.size());
  bool is_in_order = true;
  for (size_t input = 0; input < groups.size(); ++input) {
    if (groups[input] >= matrix.groups) {
      return Fail(ErrorCode::kCorrupt, "tensor ", name, " puts input ", input, " into group ",
                  static_cast<int32_t>(groups[input]), ", there are ", matrix.groups);
    }
    is_in_order = is_in_order && groups[input] == input / matrix.group;
  }
  if (!is_in_order) matrix.group_of_input = std::move(groups);
  return {};
}

// The mean of code less stored zero point over the first inputs. Weights spread evenly around 0, whose code is the zero
// point: the mean is near 0 where zero points are stored as they are, and near 1 where they are stored less one.
Result<double> MeanAboveZeros(const TensorSource& tensors, const IntegerMatrix& matrix,
                              std::span<const uint8_t> zeros) {
  constexpr size_t kInputsLookedAt = 256;
  const size_t inputs = std::min(matrix.columns, kInputsLookedAt);
  std::vector<uint8_t> codes(matrix.rows * inputs);
  const std::span<const std::byte> words = OCTET_TRY(tensors.Bytes(matrix.codes));
  UnpackCodes(matrix.table, words, {.outputs = matrix.rows, .inputs = inputs}, codes);
  int64_t sum = 0;
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t input = i % inputs;
    const size_t group = matrix.group_of_input.empty() ? input / matrix.group : matrix.group_of_input[input];
    sum += codes[i] - zeros[i / inputs * matrix.groups + group];
  }
  return static_cast<double>(sum) / static_cast<double>(codes.size());
}

// What is to be added to GPTQ's zero points. Labels are often wrong, codes hardly; the label decides where they are too
// few, or speak for neither.
Result<int> ZeroStep(const TensorSource& tensors, const IntegerMatrix& matrix, std::span<const uint8_t> zeros,
                     const DeclaredIntegers& declared) {
  constexpr size_t kEnoughCodes = 1024;
  constexpr double kNear = 0.25;
  const int label = declared.stores_whole_zeros ? 0 : 1;
  if (matrix.rows * std::min<size_t>(matrix.columns, 256) < kEnoughCodes) return label;
  const double mean = OCTET_TRY(MeanAboveZeros(tensors, matrix, zeros));
  if (std::fabs(mean) < kNear) return 0;
  return std::fabs(mean - 1) < kNear ? 1 : label;
}

// Zero points, unless all are those of symmetric codes.
Status DescribeZeros(const TensorSource& tensors, const std::string& module, const DeclaredIntegers& declared,
                     IntegerMatrix& matrix) {
  const std::string name = module + ".qzeros";
  const TensorInfo* info = tensors.Find(name);
  const bool is_empty = info == nullptr || ElementCount(info->shape) == 0;
  if (is_empty && !IsAwq(matrix)) return {};
  if (info == nullptr)
    return Fail(ErrorCode::kNotFound, "tensor ", matrix.codes, " has no zero points: ", name, " is missing");
  matrix.zero_table = {IsAwq(matrix) ? CodeRun::kInterleaved : CodeRun::kAlongOutputs, matrix.bits, matrix.groups,
                       matrix.rows};
  if (info->dtype != DType::kI32 || info->shape != matrix.zero_table.shape()) {
    return Fail(ErrorCode::kCorrupt, "tensor ", name, " has shape ", ToText(info->shape), " in ", info->stored_type,
                "; zero points of ", Counted(matrix.rows, "row"), " in ", Counted(matrix.groups, "group"), " are ",
                ToText(matrix.zero_table.shape()), " in I32");
  }
  std::vector<uint8_t> zeros(matrix.rows * matrix.groups);
  const std::span<const std::byte> words = OCTET_TRY(tensors.Bytes(name));
  UnpackCodes(matrix.zero_table, words, {.outputs = matrix.rows, .inputs = matrix.groups}, zeros);
  const auto [least, greatest] = std::minmax_element(zeros.begin(), zeros.end());
  const int middle = MiddleOf(matrix);
  const bool may_be_less_one = !IsAwq(matrix) && *least == middle - 1;
  if (*least == *greatest && (*least == middle || may_be_less_one)) return {};
  matrix.zeros = name;
  matrix.zero_step = IsAwq(matrix) ? 0 : OCTET_TRY(ZeroStep(tensors, matrix, zeros, declared));
  if (*greatest + matrix.zero_step == 2 * middle)
    matrix.decoded = Cat("INT", matrix.bits, " with zero points of ", 2 * middle);
  return {};
}

// The kernel's format, or why there is none.
void ChooseFormat(IntegerMatrix& matrix) {
  const std::optional<kernels::WeightFormat> format = internal::IntegerFormat(matrix);
  if (format) matrix.format = *format;
  if (!format) {
    matrix.decoded = Cat("INT", matrix.bits, matrix.zeros.empty() ? "" : " with zero points",
                         matrix.groups == 1 ? Cat(" a row") : Cat(" in groups of ", matrix.group));
  }
  if (!matrix.input_factors.empty()) matrix.decoded = Cat("INT", matrix.bits, " with factors of inputs");
  if (!matrix.group_of_input.empty())
    matrix.decoded = Cat("INT", matrix.bits, " whose groups aren't of neighbouring inputs (act-order)");
}

const Json* FindEither(const Json& object, const char* name, const char* other) {
  const Json* found = FindMember(object, name);
  return found != nullptr ? found : FindMember(object, other);
}

}  // namespace

DeclaredIntegers ReadDeclaredTables(const Json& quantisation) {
  DeclaredIntegers declared;
  const Json* format = FindMember(quantisation, "checkpoint_format");
  declared.stores_whole_zeros = format != nullptr && *format == "gptq_v2";
  const Json* order = FindMember(quantisation, "desc_act");
  declared.orders_inputs = order != nullptr && order->is_boolean() && order->get<bool>();
  const Json* of_modules = FindMember(quantisation, "dynamic");
  if (of_modules != nullptr && of_modules->is_object() && !of_modules->empty()) return declared;
  if (const Json* bits = FindEither(quantisation, "bits", "w_bit"); bits != nullptr && bits->is_number_integer())
    declared.bits.push_back(bits->get<int>());
  const Json* size = FindEither(quantisation, "group_size", "q_group_size");
  if (size == nullptr || !size->is_number_integer()) return declared;
  const int64_t group = size->get<int64_t>();
  if (group > 0) declared.group_sizes.push_back(static_cast<size_t>(group));
  return declared;
}

Result<std::optional<IntegerMatrix>> FindTableMatrix(const TensorSource& tensors, const WeightSlot& slot,
                                                     const DeclaredIntegers& declared) {
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* codes = tensors.Find(module + ".qweight");
  OCTET_CHECK(codes != nullptr);
  for (const char* other : {".weight", ".weight_packed"}) {
    if (tensors.Find(module + other) == nullptr) continue;
    return Fail(ErrorCode::kCorrupt, "tensors ", module, other, " and ", codes->name,
                " are both there; which of them holds the weights is open");
  }
  IntegerMatrix matrix{.rows = slot.tensor_rows, .columns = slot.columns};
  OCTET_TRY(DescribeCodes(*codes, slot, declared, matrix));
  OCTET_TRY(DescribeScales(tensors, module, declared, matrix));
  OCTET_TRY(DescribeOrder(tensors, module, declared, matrix));
  OCTET_TRY(DescribeZeros(tensors, module, declared, matrix));
  matrix.input_factors = OCTET_TRY(ReadInputFactors(tensors, module, matrix.columns));
  ChooseFormat(matrix);
  return std::optional<IntegerMatrix>(std::move(matrix));
}

}  // namespace octet
