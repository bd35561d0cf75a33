#include "models/block_scales.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "kernels/layout.h"

namespace octet {
namespace {

using kernels::kFp8Block;

// The blocks that config.json speaks of: DeepSeek's weight_block_size, or the block_structure of a
// group of compressed-tensors, which older versions wrote as text.
std::optional<std::string> DeclaredBlock(const Json& config) {
  const Json* quantisation = FindMember(config, "quantization_config");
  if (quantisation == nullptr || !quantisation->is_object()) return std::nullopt;
  const auto is_there = [](const Json* block) { return block != nullptr && !block->is_null(); };
  if (const Json* block = FindMember(*quantisation, "weight_block_size"); is_there(block)) return block->dump();
  const Json* groups = FindMember(*quantisation, "config_groups");
  if (groups == nullptr || !groups->is_object()) return std::nullopt;
  for (const Json& group : *groups) {
    const Json* weights = group.is_object() ? FindMember(group, "weights") : nullptr;
    const Json* block = weights != nullptr && weights->is_object() ? FindMember(*weights, "block_structure") : nullptr;
    if (is_there(block)) return block->dump();
  }
  return std::nullopt;
}

Shape ScaleShape(const TensorInfo& weight) {
  return {CeilDivide(weight.shape[0], uint64_t{kFp8Block}), CeilDivide(weight.shape[1], uint64_t{kFp8Block})};
}

// The tensor that holds scales of blocks, null where there is none. One number may be that of the only block.
const TensorInfo* FindTensor(const TensorSource& tensors, const TensorInfo& weight, bool is_declared) {
  if (const TensorInfo* info = tensors.Find(weight.name + "_scale_inv")) return info;
  const TensorInfo* info = tensors.Find(weight.name + "_scale");
  if (info == nullptr || info->shape.size() != 2) return nullptr;
  const bool has_shape = info->shape == ScaleShape(weight);
  if (ElementCount(info->shape) == 1) return has_shape && is_declared ? info : nullptr;
  const bool is_rows = info->shape == Shape{weight.shape[0], 1};
  return !is_rows && (has_shape || is_declared) ? info : nullptr;
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
  const std::optional<std::string> declared = DeclaredBlock(config);
  const TensorInfo* info = FindTensor(tensors, weight, declared.has_value());
  if (info == nullptr) return std::optional<BlockScales>();
  if (declared && *declared != "[128,128]" && *declared != "\"128x128\"") {
    return Fail(ErrorCode::kUnsupported, "tensor ", weight.name, " is scaled in blocks of ", *declared,
                " (quantization_config of config.json); blocks of ", kFp8Block, " x ", kFp8Block, " are known");
  }
  if (info->dtype != DType::kF32 && info->dtype != DType::kBf16) {
    return Fail(ErrorCode::kUnsupported, "scale ", info->name, " holds ", info->stored_type,
                "; scales of blocks are F32 or BF16");
  }
  if (info->shape != ScaleShape(weight)) {
    return Fail(ErrorCode::kCorrupt, "scale ", info->name, " has shape ", ToText(info->shape), "; ", weight.shape[0],
                " x ", weight.shape[1], " weights in blocks of ", kFp8Block, " x ", kFp8Block, " have ",
                ToText(ScaleShape(weight)));
  }
  BlockScales scales{.tensor = info->name,
                     .rows = weight.shape[0],
                     .columns = weight.shape[1],
                     .values = std::vector<float>(*ElementCount(info->shape))};
  OCTET_TRY(tensors.ReadRows(info->name, 0, info->shape[0], scales.values.data()));
  OCTET_TRY(CheckValues(scales));
  return std::optional<BlockScales>(std::move(scales));
}

}  // namespace octet
