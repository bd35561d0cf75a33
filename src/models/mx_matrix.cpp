#include "models/mx_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/counted.h"
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
                " x ", Counted(matrix.columns, "code"), " of ", FormatName(matrix), " are ", ToText(expected));
  }
  if (const Shape expected{matrix.rows, matrix.blocks()}; scales.shape != expected) {
    return Fail(ErrorCode::kCorrupt, "scale ", scales.name, " has shape ", ToText(scales.shape), " in ",
                scales.stored_type, "; ", FormatName(matrix), " of ", matrix.rows, " x ",
                Counted(matrix.columns, "weight"), " has ", ToText(expected));
  }
  return {};
}

// Codes of one half of each byte.
void UnpackHalves(std::span<const std::byte> bytes, size_t columns, std::span<uint8_t> to) {
  const size_t row_bytes = CeilDivide(columns, size_t{2});
  for (size_t i = 0; i < to.size(); ++i) {
    const auto pair = std::to_integer<uint8_t>(bytes[i / columns * row_bytes + i % columns / 2]);
    to[i] = i % columns % 2 == 0 ? pair & 15 : pair >> 4;
  }
}

// MXFP4 in the blocks of a GGUF file.
Result<std::optional<MxMatrix>> FindBlocks(const TensorInfo& info, const WeightSlot& slot) {
  if (const Shape expected{slot.tensor_rows, slot.columns}; info.shape != expected) {
    return Fail(ErrorCode::kCorrupt, "tensor ", info.name, " has shape ", ToText(info.shape), ", config.json asks for ",
                ToText(expected));
  }
  return MxMatrix{.codes = info.name,
                  .scales = info.name,
                  .is_e4m3 = false,
                  .in_ggml_blocks = true,
                  .rows = slot.tensor_rows,
                  .columns = slot.columns};
}

}  // namespace

size_t MxMatrix::blocks() const { return CeilDivide(columns, kMxBlock); }

Result<std::optional<MxMatrix>> FindMxMatrix(const TensorSource& tensors, const WeightSlot& slot) {
  if (!slot.IsMatrix() || !slot.tensor.ends_with(".weight")) return std::optional<MxMatrix>();
  const std::string module = slot.tensor.substr(0, slot.tensor.rfind('.'));
  const TensorInfo* plain = tensors.Find(slot.tensor);
  const TensorInfo* packed = tensors.Find(module + ".weight_packed");
  if (plain != nullptr && plain->block == GgmlBlock::kMxfp4) return FindBlocks(*plain, slot);
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

Result<std::vector<std::byte>> MxMatrix::ReadGgmlBlocks(const TensorSource& tensors, size_t first, size_t count) const {
  std::vector<std::byte> stored(count * blocks() * InfoOf(GgmlBlock::kMxfp4).bytes);
  OCTET_TRY(tensors.ReadBlocks(codes, first, count, stored.data()));
  return stored;
}

Status MxMatrix::ReadCodes(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const {
  if (in_ggml_blocks) {
    const std::vector<std::byte> stored = OCTET_TRY(ReadGgmlBlocks(tensors, first, count));
    for (size_t block = 0; block < count * blocks(); ++block) {
      const GgmlMxfp4 mx = ReadGgmlMxfp4(&stored[block * InfoOf(GgmlBlock::kMxfp4).bytes]);
      std::copy(mx.codes.begin(), mx.codes.end(), to.begin() + static_cast<std::ptrdiff_t>(block * kMxBlock));
    }
    return {};
  }
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(codes));
  const size_t row_bytes = is_e4m3 ? columns : CeilDivide(columns, size_t{2});
  const std::span<const std::byte> from = bytes.subspan(first * row_bytes, count * row_bytes);
  if (is_e4m3)
    std::memcpy(to.data(), from.data(), from.size());
  else
    UnpackHalves(from, columns, to);
  return {};
}

Status MxMatrix::ReadPowers(const TensorSource& tensors, size_t first, size_t count, std::span<uint8_t> to) const {
  if (in_ggml_blocks) {
    const std::vector<std::byte> stored = OCTET_TRY(ReadGgmlBlocks(tensors, first, count));
    for (size_t block = 0; block < to.size(); ++block)
      to[block] = ReadGgmlMxfp4(&stored[block * InfoOf(GgmlBlock::kMxfp4).bytes]).power;
    return {};
  }
  const std::span<const std::byte> bytes = OCTET_TRY(tensors.Bytes(scales));
  std::memcpy(to.data(), bytes.data() + first * blocks(), to.size());
  return {};
}

Status MxMatrix::ReadRows(const TensorSource& tensors, size_t first, size_t count, float* to) const {
  std::vector<uint8_t> stored(count * columns), powers(count * blocks());
  OCTET_TRY(ReadCodes(tensors, first, count, stored));
  OCTET_TRY(ReadPowers(tensors, first, count, powers));
  for (size_t i = 0; i < stored.size(); ++i) {
    const size_t row = i / columns, column = i % columns;
    const float scale = ToFloat(E8M0{powers[row * blocks() + column / kMxBlock]});
    to[i] = (is_e4m3 ? ToFloat(E4M3{stored[i]}) : ToFloat(E2M1{stored[i]})) * scale;
    if (std::isfinite(to[i])) continue;
    return Fail(ErrorCode::kCorrupt, "tensor ", std::isfinite(scale) ? codes : scales, " holds ",
                std::isfinite(scale) ? "a code that is no number or too large" : "NaN", " in row ", first + row, ", ",
                std::isfinite(scale) ? Cat("column ", column) : Cat("block ", column / kMxBlock),
                "; the file is damaged or was quantised from such weights");
  }
  return {};
}

}  // namespace octet
