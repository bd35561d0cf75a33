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

// What the matrices will take once packed, all of config.json's type: for a directory without tensors. Parts that are
// joined share panels.
void PlanWeights(ComputeType compute, ModelFiles& files) {
  const bool is_f32 = compute == ComputeType::kAuto ? files.spec.dtype == "float32" : compute == ComputeType::kF32;
  const kernels::WeightFormat format = is_f32 ? kernels::WeightFormat::kF32 : kernels::WeightFormat::kBf16;
  files.all_f32 = is_f32;
  size_t rows = 0, columns = 0;
  const auto count = [&] {
    files.weight_bytes += kernels::PackedBytes(format, rows, columns);
    rows = 0;
  };
  for (const WeightSlot& slot : WeightSlots(files.spec)) {
    if (!slot.IsMatrix()) {
      files.weight_bytes += slot.rows * sizeof(float);
      continue;
    }
    const bool is_joined =
        slot.name.ends_with(".attn.k") || slot.name.ends_with(".attn.v") || slot.name.ends_with(".ffn.up");
    if (!is_joined) count();
    rows += slot.rows;
    columns = slot.columns;
  }
  count();
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
    files.weight_bytes = weights.bytes();
    files.all_f32 = weights.all_f32();
    files.weights = std::make_unique<CheckpointWeights>(std::move(weights));
  } else if (FindMember(checkpoint.config, "quantization_config") != nullptr) {
    return Fail(ErrorCode::kUnsupported, path,
                ": holds no weights and its config.json says that they are quantised; "
                "how much they take is told by the tensors alone, so put them there");
  }
  if (checkpoint.tensors == nullptr) PlanWeights(options.compute, files);
  OCTET_TRY(ReadTextFiles(checkpoint, files));
  files.config = std::move(checkpoint.config);
  files.generation_config = std::move(checkpoint.generation_config);
  files.tokenizer_config = std::move(checkpoint.tokenizer_config);
  return files;
}

Result<ModelFiles> OpenPackAs(ComputeType compute, const std::filesystem::path& path, LoadMode mode, ThreadPool& pool) {
  if (compute == ComputeType::kAuto) return OpenPack(path, mode, pool);
  return Fail(ErrorCode::kInvalidArgument, path, ": a pack's matrices keep their types; ",
              compute == ComputeType::kF32 ? "f32" : "bf16", " needs the model that it was made from");
}

}  // namespace

Result<ModelFiles> ModelFiles::Open(const std::filesystem::path& path, const LoadOptions& options, ThreadPool& pool) {
  if (OctetPack::IsPack(path)) return OpenPackAs(options.compute, path, options.mode, pool);
  return ReadCheckpoint(path, OCTET_TRY(Checkpoint::Open(path)), options, pool);
}

Result<ModelFiles> ModelFiles::OpenForPlan(const std::filesystem::path& path, const LoadOptions& options,
                                           ThreadPool& pool) {
  if (OctetPack::IsPack(path)) return OpenPackAs(options.compute, path, options.mode, pool);
  return ReadCheckpoint(path, OCTET_TRY(Checkpoint::OpenForPlan(path)), options, pool);
}

}  // namespace octet
