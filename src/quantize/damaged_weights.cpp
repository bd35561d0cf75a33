#include "quantize/damaged_weights.h"

#include "formats/check_values.h"
#include "quantize/tensor_slices.h"

namespace octet {
namespace {

// Whether the slot has a part in the layer's inputs, behind those of the layer before, or in what it makes of them.
bool IsRead(const WeightSlot& slot, const ModelSpec& spec, size_t layer) {
  if (slot.name.starts_with(LayerSlot(layer, ""))) return true;
  if (layer == 0 ? slot.name == "embedding" : slot.name.starts_with(LayerSlot(layer - 1, ""))) return true;
  return layer == spec.layers.size() && slot.name == "final_norm";
}

}  // namespace

Error NameDamagedWeight(const TensorSource& tensors, const ModelSpec& spec, size_t layer, const Error& error,
                        const QuantizeRun& run) {
  if (error.code != ErrorCode::kCorrupt) return error;
  for (const WeightSlot& slot : WeightSlots(spec)) {
    const TensorInfo* info = IsRead(slot, spec, layer) ? tensors.Find(slot.tensor) : nullptr;
    if (info == nullptr) continue;
    const TensorPrecision tensor{.name = info->name, .source = info->name, .shape = info->shape};
    const Status found = ForEachSlice(tensors, tensor, run, [&](uint64_t first, std::span<const float> floats) {
      return CheckValues(floats, first, RowSize(info->shape), DType::kF32, info->name);
    });
    if (!found) return found.error();
  }
  return error;
}

}  // namespace octet
