#include "models/mx_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "numeric/e2m1.h"
#include "numeric/mx.h"

namespace octet {
namespace {

std::string_view FormatName(const MxMatrix& matrix) { return matrix.is_e4m3 ? "MXFP8" : "MXFP4"; }

// Scales are bytes, where other formats have floats, and nothing scales the whole tensor besides.
bool HasMxScales(const TensorSource& tensors, const std::string& module) {
  const TensorInfo* scale = tensors.Find(module + ".weight_scale");
  if (scale == nullptr || (scale->dtype != DType::kU8 && scale->dtype != DType::kE8M0)) return false;
  return tensors.Find(module + ".weight_scale_2") == nullptr &&
         tensors.Find(module + ".weight_global_scale") == nullptr;
}

// Blocks of 128 x 128 may have scales in E8M0, too.
bool IsOfBlocks(const TensorInfo& scale, const WeightSlot& slot) {
  constexpr uint64_t kSide = 128;
  return scale.dtype == DType::kE8M0 &&
         scale.shape == Shape{CeilDivide(slot.tensor_rows, kSide), CeilDivide(slot.columns, kSide)};
}

Status CheckShapes(const TensorInfo& codes, const TensorInfo& scales, const MxMatrix& matrix) {
  const uint64_t width = matrix.is_e4m3 ? matrix.columns : CeilDivide(matrix.columns, 2);
  if (const Shape expected{matrix.rows, width}; codes.shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", codes.name, " has shape ", ToText(codes.shape), ", ", matrix.rows,
                " x ", matrix.columns, " codes of ", FormatName(matrix), " are ", ToText(expected));
  }
  if (const Shape expected{matrix.rows, matrix.blocks()}; scales.shape != expected) {
    return Fail(ErrorCode::kCorrupt, "scale ", scales.name, " has shape ", ToText(scales.shape), " in ",
                scales.stored_type, "; ", FormatName(matrix), " of ", matrix.rows, " x ", matrix.columns,
                " weights has ", ToText(expected));
  }
  return {};
}

}  // namespace

size_t MxMatrix::blocks() const { return CeilDivide(columns, kMxBlock); }

Result<std::optional<MxMatrix>> FindMxMatrix(const TensorSource& tensors, const WeightSlot& slot) {
  if (!slot.IsMatrix() || !slot.tensor.ends_with(".weight")) return std::optional<MxMatrix>();
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* plain = tensors.Find(slot.tensor);
  const TensorInfo* packed = tensors.Find(module + ".weight_packed");
  const TensorInfo* codes = packed != nullptr ? packed : plain;
  const TensorInfo* scales = tensors.Find(module + ".weight_scale");
  const bool is_e4m3 = codes != nullptr && codes->dtype == DType::kE4M3;
  const bool is_e2m1 = codes != nullptr && codes->dtype == DType::kU8;
  if ((!is_e4m3 && !is_e2m1) || !HasMxScales(tensors, module)) return std::optional<MxMatrix>();
  if (IsOfBlocks(*scales, slot)) return std::optional<MxMatrix>();
  if (packed != nullptr && plain != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", plain->name, " and ", packed->name,
                " are both there; which of them holds the weights is open");
  }
  if (tensors.Find(module + ".pre_quant_scale") != nullptr) {
    return Fail(ErrorCode::kUnsupported, "tensor ", module,
                ".pre_quant_scale is there: inputs are multiplied before the product, which isn't known of MX formats");
  }
  MxMatrix matrix{.codes = codes->name,
                  .scales = scales->name,
                  .is_e4m3 = is_e4m3,
                  .rows = slot.tensor_rows,
                  .columns = slot.columns};
  OCTET_TRY(CheckShapes(*codes, *scales, matrix));
  return std::optional<MxMatrix>(std::move(matrix));
}

Status MxMatrix::ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const {
  const size_t row_bytes = is_e4m3 ? columns : CeilDivide(columns, size_t{2});
  const std::span<const std::byte> code_bytes = OCTET_TRY(tensors.Bytes(codes));
  const std::span<const std::byte> scale_bytes = OCTET_TRY(tensors.Bytes(scales));
  for (size_t i = 0; i < count * columns; ++i) {
    const size_t row = first + i / columns, column = i % columns;
    const auto byte = std::to_integer<uint8_t>(code_bytes[row * row_bytes + (is_e4m3 ? column : column / 2)]);
    const auto half = static_cast<uint8_t>(column % 2 == 0 ? byte & 15 : byte >> 4);
    const float scale = ToFloat(E8M0{std::to_integer<uint8_t>(scale_bytes[row * blocks() + column / kMxBlock])});
    to[i] = (is_e4m3 ? ToFloat(E4M3{byte}) : ToFloat(E2M1{half})) * scale;
    if (std::isfinite(to[i])) continue;
    return Fail(ErrorCode::kCorrupt, "tensor ", std::isfinite(scale) ? codes : scales, " holds ",
                std::isfinite(scale) ? "a code that is no number or too large" : "NaN", " in row ", row, ", ",
                std::isfinite(scale) ? Cat("column ", column) : Cat("block ", column / kMxBlock),
                "; the file is damaged or was quantised from such weights");
  }
  return {};
}

}  // namespace octet
