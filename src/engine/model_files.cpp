#include "engine/model_files.h"

#include <algorithm>
#include <utility>

#include "engine/pack/build_pack.h"
#include "engine/text_files.h"
#include "formats/checkpoint.h"
#include "formats/octet_pack.h"
#include "models/hf_config.h"

namespace octet {
namespace {

// What the matrices take once packed, by the rule of CheckpointWeights. Without tensors, all are of config.json's type.
void CountWeights(const TensorSource* tensors, ComputeType compute, ModelFiles& files) {
  const std::vector<WeightSlot> slots = WeightSlots(files.spec);
  const auto stored_as = [&](const WeightSlot& slot, std::string_view type) {
    if (tensors == nullptr) return type == "F32" && files.spec.dtype == "float32";
    const TensorInfo* info = tensors->Find(slot.tensor);
    return info != nullptr && info->stored_type == type;
  };
  const bool stored_f32 = std::all_of(
      slots.begin(), slots.end(), [&](const WeightSlot& slot) { return !slot.IsMatrix() || stored_as(slot, "F32"); });
  const bool dense_f32 = compute == ComputeType::kAuto ? stored_f32 : compute == ComputeType::kF32;
  files.all_f32 = dense_f32;
  for (const WeightSlot& slot : slots) {
    const bool is_e4m3 = slot.IsMatrix() && stored_as(slot, "F8_E4M3");
    files.all_f32 = files.all_f32 && !is_e4m3;
    const kernels::WeightFormat format = is_e4m3     ? kernels::WeightFormat::kE4M3
                                         : dense_f32 ? kernels::WeightFormat::kF32
                                                     : kernels::WeightFormat::kBf16;
    files.weight_bytes +=
        slot.IsMatrix() ? kernels::PackedBytes(format, slot.rows, slot.columns) : slot.rows * sizeof(float);
    if (is_e4m3) files.weight_bytes += slot.rows * sizeof(float);
  }
}

Result<ModelFiles> ReadCheckpoint(const std::filesystem::path& path, Checkpoint checkpoint, const LoadOptions& options,
                                  ThreadPool& pool) {
  ModelFiles files;
  files.path = path;
  files.kind = checkpoint.kind;
  const bool is_directory = checkpoint.gguf == nullptr;
  files.spec =
      OCTET_TRY(ReadHfConfig(checkpoint.config, is_directory ? (path / "config.json").native() : path.native()));
  if (checkpoint.tensors != nullptr) {
    CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, files.spec, options.compute, pool));
    files.weights = std::make_unique<CheckpointWeights>(std::move(weights));
  } else if (FindMember(checkpoint.config, "quantization_config") != nullptr) {
    return Fail(ErrorCode::kUnsupported, path,
                ": holds no weights and its config.json says that they are quantised; "
                "how much they take is told by the tensors alone, so put them there");
  }
  CountWeights(checkpoint.tensors.get(), options.compute, files);
  OCTET_TRY(ReadTextFiles(checkpoint, files));
  files.config = std::move(checkpoint.config);
  files.generation_config = std::move(checkpoint.generation_config);
  files.tokenizer_config = std::move(checkpoint.tokenizer_config);
  return files;
}

}  // namespace

Result<ModelFiles> ModelFiles::Open(const std::filesystem::path& path, const LoadOptions& options, ThreadPool& pool) {
  if (OctetPack::IsPack(path)) return OpenPack(path, options.mode);
  return ReadCheckpoint(path, OCTET_TRY(Checkpoint::Open(path)), options, pool);
}

Result<ModelFiles> ModelFiles::OpenForPlan(const std::filesystem::path& path, const LoadOptions& options,
                                           ThreadPool& pool) {
  if (OctetPack::IsPack(path)) return OpenPack(path, options.mode);
  return ReadCheckpoint(path, OCTET_TRY(Checkpoint::OpenForPlan(path)), options, pool);
}

}  // namespace octet
