#include "models/block_scales.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/counted.h"
#include "kernels/layout.h"

namespace octet {
namespace {

using kernels::kFp8Block;

// The blocks that config.json speaks of: DeepSeek's weight_block_size, or the block_structure of a
// group of compressed-tensors, which older versions wrote as text.
struct DeclaredBlock {
  std::optional<std::string> size = {};
  bool of_all = false;  // no group of floats is scaled otherwise
};

DeclaredBlock ReadDeclaredBlock(const Json& config) {
  const Json* quantisation = FindMember(config, "quantization_config");
  if (quantisation == nullptr || !quantisation->is_object()) return {};
  const auto is_there = [](const Json* block) { return block != nullptr && !block->is_null(); };
  if (const Json* block = FindMember(*quantisation, "weight_block_size"); is_there(block)) return {block->dump(), true};
  const Json* groups = FindMember(*quantisation, "config_groups");
  if (groups == nullptr || !groups->is_object()) return {};
  DeclaredBlock declared{.of_all = true};
  for (const Json& group : *groups) {
    const Json* weights = group.is_object() ? FindMember(group, "weights") : nullptr;
    if (weights == nullptr || !weights->is_object()) continue;
    const Json* block = FindMember(*weights, "block_structure");
    if (is_there(block) && !declared.size) declared.size = block->dump();
    const Json* type = FindMember(*weights, "type");
    if (!is_there(block) && (type == nullptr || *type != "int")) declared.of_all = false;
  }
  return declared;
}

// ModelOpt's scales of blocks may have an axis of one number beside each: [o, 1, i, 1].
Shape WithoutSingleAxes(const Shape& shape) {
  return shape.size() == 4 && shape[1] == 1 && shape[3] == 1 ? Shape{shape[0], shape[2]} : shape;
}

Shape ScaleShape(const TensorInfo& weight) {
  return {CeilDivide(weight.shape[0], uint64_t{kFp8Block}), CeilDivide(weight.shape[1], uint64_t{kFp8Block})};
}

// The tensor that holds scales of blocks, null where there is none. One number may be that of the only block, and is
// one of a file that contradicts itself where there are several and nothing is scaled otherwise.
Result<const TensorInfo*> FindTensor(const TensorSource& tensors, const TensorInfo& weight,
                                     const DeclaredBlock& declared) {
  const TensorInfo* inverse = tensors.Find(weight.name + "_scale_inv");
  const TensorInfo* info = tensors.Find(weight.name + "_scale");
  if (inverse != nullptr && info != nullptr) {
    return Fail(ErrorCode::kCorrupt, "tensors ", inverse->name, " and ", info->name,
                " are both there; which of them scales the weights is open");
  }
  if (inverse != nullptr) return inverse;
  if (info == nullptr) return nullptr;
  const Shape shape = WithoutSingleAxes(info->shape);
  const bool has_shape = shape == ScaleShape(weight);
  if (ElementCount(info->shape) == 1) return declared.size && (has_shape || declared.of_all) ? info : nullptr;
  if (shape.size() != 2) return nullptr;
  const bool is_rows = shape == Shape{weight.shape[0], 1};
  return !is_rows && (has_shape || declared.size) ? info : nullptr;
}

Status CheckValues(const BlockScales& scales) {
  const auto bad = std::find_if(scales.values.begin(), scales.values.end(),
                                [](float scale) { return !std::isfinite(scale) || scale < 0; });
  if (bad == scales.values.end()) return {};
  const auto at = static_cast<size_t>(bad - scales.values.begin());
  return Fail(ErrorCode::kCorrupt, "scale ", scales.tensor, " is ", *bad, " in row ", at / scales.blocks(), ", column ",
              at % scales.blocks(), ", a finite number of 0 or more is expected");
}

}  // namespace

size_t BlockScales::blocks() const { return CeilDivide(columns, uint64_t{kFp8Block}); }

std::vector<float> BlockScales::OfRows(size_t first, size_t count) const {
  std::vector<float> scales;
  scales.reserve(count * blocks());
  for (size_t row = first; row < first + count; ++row) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(row / kFp8Block * blocks());
    scales.insert(scales.end(), from, from + static_cast<std::ptrdiff_t>(blocks()));
  }
  return scales;
}

Result<std::optional<BlockScales>> FindBlockScales(const TensorSource& tensors, const TensorInfo& weight,
                                                   const Json& config) {
  if (weight.dtype != DType::kE4M3 || weight.shape.size() != 2) return std::optional<BlockScales>();
  const DeclaredBlock declared = ReadDeclaredBlock(config);
  const TensorInfo* info = OCTET_TRY(FindTensor(tensors, weight, declared));
  if (info == nullptr) return std::optional<BlockScales>();
  if (declared.size && *declared.size != "[128,128]" && *declared.size != "\"128x128\"") {
    return Fail(ErrorCode::kUnsupported, "tensor ", weight.name, " is scaled in blocks of ", *declared.size,
                " (quantization_config of config.json); blocks of ", kFp8Block, " x ", kFp8Block, " are known");
  }
  if (info->dtype != DType::kF32 && info->dtype != DType::kBf16 && info->dtype != DType::kE8M0) {
    return Fail(ErrorCode::kUnsupported, "scale ", info->name, " holds ", info->stored_type,
                "; scales of blocks are F32, BF16 or F8_E8M0");
  }
  if (WithoutSingleAxes(info->shape) != ScaleShape(weight)) {
    return Fail(ErrorCode::kCorrupt, "scale ", info->name, " has shape ", ToText(info->shape), "; ", weight.shape[0],
                " x ", Counted(weight.shape[1], "weight"), " in blocks of ", kFp8Block, " x ", kFp8Block, " have ",
                ToText(ScaleShape(weight)));
  }
  BlockScales scales{.tensor = info->name,
                     .rows = weight.shape[0],
                     .columns = weight.shape[1],
                     .values = std::vector<float>(*ElementCount(info->shape))};
  OCTET_TRY(tensors.ReadRows(info->name, 0, RowCount(info->shape), scales.values.data()));
  OCTET_TRY(CheckValues(scales));
  return std::optional<BlockScales>(std::move(scales));
}

}  // namespace octet
