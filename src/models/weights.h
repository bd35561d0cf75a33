// Where a decoder gets its weights from, by slot name (models/model_spec.h).
//
//   CheckpointWeights weights = OCTET_TRY(CheckpointWeights::Open(checkpoint, spec, {}, pool));
//   Decoder decoder = OCTET_TRY(Decoder::Load(spec, weights));
//
// A pack is written by asking for every entry in turn and read back through a WeightProvider of its own: engine/pack.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "models/block_scales.h"
#include "models/integer_matrix.h"
#include "models/model_spec.h"
#include "models/mx_matrix.h"
#include "models/nvfp4_matrix.h"
#include "tensor/packed_matrix.h"
#include "tensor/weight_arena.h"

namespace octet {

struct Checkpoint;
class TensorSource;
struct TensorInfo;

class WeightProvider {
 public:
  virtual ~WeightProvider() = default;

  struct Entry {
    std::string name;
    bool is_matrix = false;
    uint64_t bytes = 0;  // as a decoder has it: panels, scales of rows and bias, or a vector's floats
  };
  // What Matrix and Vector serve, in the order of the forward pass. A fused matrix ("layers.3.attn.qkv") stands in
  // place of its parts; a bias is part of its matrix and has no entry.
  virtual const std::vector<Entry>& Entries() const = 0;

  // Fails with not_found for a name that has no entry, and as the source does.
  virtual Result<PackedMatrix> Matrix(std::string_view name) = 0;
  virtual Result<std::vector<float>> Vector(std::string_view name) = 0;

  // For who can't hold a matrix whole: the same without panels, and panels begin .. end - 1 of it into `to`, PanelBytes
  // each. Here by Matrix, which suits a provider whose matrices are in memory anyway.
  virtual Result<PackedMatrix> Outline(std::string_view name);
  virtual Status ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to);

  bool Has(std::string_view name) const;
  // What all entries take.
  uint64_t bytes() const;
};

// How many equal runs of its panels the threads share out, one after the other, when they multiply with a matrix: two
// where gate and up are joined and each fills whole panels, else one. Memory that each thread writes first in the same
// shares lies on its own node of a machine with several.
size_t PanelRuns(std::string_view name, size_t columns);

// Whether the checkpoint holds every weight of the model in the shape and in a type that loading takes, without reading
// them: fails as CheckpointWeights::Open does. For who writes a model anew, which would give a broken one a new name.
Status CheckWeights(const Checkpoint& checkpoint, const ModelSpec& spec);

// What a matrix that isn't quantised is computed in. kAuto: FP32 where the checkpoint stores FP32, else BF16.
enum class ComputeType { kAuto, kBf16, kF32 };

// Packs each matrix from the checkpoint when it is asked for, and keeps none: memory is bounded by what the caller
// holds, one block of the arena and some rows in flight. A tensor in F8_E4M3 with `<module>.weight_scale` beside it
// becomes an E4M3 matrix, whatever lists say, one in blocks where the scales are of blocks (models/block_scales.h);
// `<module>.input_scale`, one number, is the scale of its inputs where they are rounded, to E4M3 or NVFP4. Integer
// codes and their scales (models/integer_matrix.h) become INT8 and INT4 matrices, codes of NVFP4
// (models/nvfp4_matrix.h) NVFP4 ones, whose factor goes to the scales of their columns. Codes that no kernel takes are
// decoded: they become what matrices that aren't quantised do, and a warning says so once.
class CheckpointWeights : public WeightProvider {
 public:
  // Checks names and shapes of all tensors: fails with not_found or corrupt, naming the tensor and both shapes; with
  // unsupported for a quantisation that isn't known. The pool must outlive the object.
  static Result<CheckpointWeights> Open(const Checkpoint& checkpoint, const ModelSpec& spec, ComputeType compute,
                                        ThreadPool& pool);

  const std::vector<Entry>& Entries() const override { return entries_; }
  Result<PackedMatrix> Matrix(std::string_view name) override;
  Result<std::vector<float>> Vector(std::string_view name) override;
  Result<PackedMatrix> Outline(std::string_view name) override;
  // On all threads, which let the mapped pages of what they have read go.
  Status ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to) override;

  // The tensor that holds a tensor's codes, empty for one that isn't quantised or that no slot names.
  std::string CodesOf(std::string_view tensor) const;
  // What rows first .. first + count - 1 of a slot's tensor stand for, [count, columns], whatever holds them: codes
  // times scales, in FP32. Fails as packing them does.
  Status ReadWeights(std::string_view tensor, size_t first, size_t count, float* to) const;

  // From now on each matrix has memory of its own, for who lets them go one by one; else neighbours share blocks of 64
  // MB, which stay until the last of them goes.
  void UseOwnMemory() { arena_ = WeightArena(0); }

  // Tensors of the checkpoint whose inputs are rounded by a static scale, where that is asked for.
  size_t input_scales() const;
  // Whether no matrix is anything but FP32.
  bool all_f32() const;

 private:
  // Rows of one tensor that become columns of a packed matrix.
  struct Part {
    WeightSlot slot;
    std::string bias;   // tensor's name, empty for none
    std::string scale;  // of an E4M3 tensor that isn't scaled in blocks, else empty
    std::optional<BlockScales> blocks = {};
    std::optional<IntegerMatrix> integers = {};
    std::optional<Nvfp4Matrix> nvfp4 = {};
    std::optional<MxMatrix> mx = {};

    // The tensor that holds most of it.
    const std::string& codes() const;
    // The tensors that it is read from, one after the other or, where codes aren't stored row by row, all over.
    std::vector<std::string> tensors() const;
    bool is_stored_by_rows() const { return !integers || integers->layout != CodeLayout::kTable; }
    // What the codes are that no kernel takes; empty where they are taken, or there are none.
    std::string DecodedFormat() const;
    // Weights of the tensor's rows first .. first + count - 1, of a part that is decoded or isn't quantised.
    Status ReadRows(const TensorSource& source, size_t first, size_t count, float* to) const;
  };
  struct Source {
    std::vector<Part> parts;  // one, or those of a fused matrix
    kernels::WeightFormat format = kernels::WeightFormat::kF32;
    float input_scale = 0;  // 0 for none
    bool takes_mx_inputs = false;
  };

  // Rows row .. row + rows - 1 of a part's tensor, which stand from `at` on in what was asked for.
  struct Piece {
    const Part& part;
    size_t row = 0, rows = 0, at = 0;
  };

  CheckpointWeights() = default;
  // What matrices that aren't quantised are packed as.
  Result<kernels::WeightFormat> DenseFormat(const std::vector<WeightSlot>& slots, ComputeType compute) const;
  Status AddSlot(const WeightSlot& slot, kernels::WeightFormat dense, const Json& config);
  // The part of a slot whose module holds codes of four bits, integers, MX formats or a GGUF file's blocks, if it does.
  Result<std::optional<Part>> FindCodes(const WeightSlot& slot) const;
  // The matrix that a part with codes becomes.
  static kernels::WeightFormat FormatOf(const Part& part, kernels::WeightFormat dense);
  void SayWhatIsDecoded() const;
  // Whether a scale of inputs beside NVFP4 codes is one of inputs in E4M3, which these don't take here.
  static bool TakesE4m3Inputs(const Part& part, const Json& config);
  // Scales of inputs that no product uses.
  void SayWhatIsUnused(const Json& config) const;
  // Where the scales of an E4M3 tensor are, and the format that it becomes.
  Result<kernels::WeightFormat> FindScales(const TensorInfo& weight, const Json& config, Part& part) const;
  Result<std::string> FindScale(const TensorInfo& weight) const;
  // The static scale of the weight's inputs, 0 where the checkpoint has none.
  Result<float> ReadInputScale(const TensorInfo& weight) const;
  void JoinFusedParts();

  const Part* FindPart(std::string_view tensor) const;
  Status DecodeE4M3(const Part& part, size_t first, size_t count, float* to) const;
  Result<const Source*> FindSource(std::string_view name, bool is_matrix) const;
  Result<std::vector<float>> JoinScales(const Source& source) const;
  Result<std::vector<float>> ScalesOf(const Part& part) const;
  // Of an E4M3 tensor, one for each of its rows.
  Result<std::vector<float>> RowScales(const Part& part) const;
  Result<std::vector<float>> JoinBiases(const Source& source) const;
  Status RefuseNan(std::span<const std::byte> rows, size_t first_row, size_t columns, const std::string& tensor) const;
  // Format, columns, depth and scale of inputs.
  static PackedMatrix Describe(const Source& source);
  // What an entry takes once packed, bias and scales of rows included.
  static uint64_t PackedBytesOf(const Source& source);
  // What becomes columns first .. first + count - 1, in their order; columns beyond the last are none.
  static std::vector<Piece> PiecesOf(const Source& source, size_t first, size_t count);
  void ReleasePanels(const Source& source, size_t begin, size_t end) const;
  void ReleaseWhole(const Source& source) const;
  // Columns first .. first + count - 1 of the joined matrix into `packed`, their own place.
  Status PackColumns(const Source& source, const PackedMatrix& matrix, size_t first, size_t count,
                     std::vector<float>& scratch, std::byte* packed) const;
  // E4M3 codes of those columns, and weights of columns that aren't codes or are decoded, [count, depth].
  Status CopyCodes(const Source& source, size_t first, size_t count, std::byte* to) const;
  Status ReadFloats(const Source& source, size_t first, size_t count, std::span<float> to) const;
  // Scales of blocks for those columns, [count, blocks].
  static std::vector<float> BlockScalesOf(const Source& source, size_t first, size_t count);
  Status PackIntegerColumns(const Source& source, const PackedMatrix& matrix, size_t first, size_t count,
                            std::byte* packed) const;
  Status AppendGroups(const Part& part, size_t row, size_t rows, std::vector<Fp16>& scales,
                      std::vector<uint8_t>& zeros) const;
  Status PackNvfp4Columns(const Source& source, const PackedMatrix& matrix, size_t first, size_t count,
                          std::byte* packed) const;

  std::string path_;
  std::string hint_;  // ends messages about tensors
  DeclaredIntegers declared_;
  std::shared_ptr<const TensorSource> tensors_;
  ThreadPool* pool_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<Source> sources_;  // parallel to entries_
  WeightArena arena_;
};

}  // namespace octet
