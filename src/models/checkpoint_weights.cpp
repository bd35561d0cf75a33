#include <algorithm>
#include <cmath>
#include <utility>

#include "formats/checkpoint.h"
#include "formats/quantization_files.h"
#include "kernels/kernel_table.h"
#include "models/row_scales.h"
#include "models/weights.h"

namespace octet {
namespace {

using kernels::WeightFormat;

// Quantised checkpoints carry their method's name here; used only to explain what is missing.
std::string QuantisationHint(const Checkpoint& checkpoint) {
  const Json* config = FindMember(checkpoint.config, "quantization_config");
  const Json* method = config == nullptr ? nullptr : FindMember(*config, "quant_method");
  if (method == nullptr || !method->is_string()) return "";
  return "; the checkpoint is quantised by `" + method->get<std::string>() + "`";
}

// Rotations of compressed-tensors: weights that were stored turned give nonsense for inputs that aren't.
Status RefuseTransforms(const Checkpoint& checkpoint) {
  const Json* config = FindMember(checkpoint.config, "quantization_config");
  const Json* transforms = config == nullptr ? nullptr : FindMember(*config, "transform_config");
  const Json* groups = transforms == nullptr ? nullptr : FindMember(*transforms, "config_groups");
  if (groups == nullptr || groups->empty()) return {};
  return Fail(ErrorCode::kUnsupported, checkpoint.path,
              ": the quantization_config has a transform_config, whose rotations octet doesn't apply; use a checkpoint "
              "without one");
}

Result<const TensorInfo*> FindShaped(const TensorSource& tensors, const std::string& name, const Shape& expected,
                                     const std::string& path, const std::string& hint) {
  const TensorInfo* info = tensors.Find(name);
  if (info == nullptr) {
    return Fail(ErrorCode::kNotFound, path, ": tensor ", name, " is missing, shape ", ToText(expected), " is expected",
                hint);
  }
  if (info->shape != expected) {
    return Fail(ErrorCode::kCorrupt, path, ": tensor ", name, " has shape ", ToText(info->shape),
                ", config.json asks for ", ToText(expected), hint);
  }
  return info;
}

Shape ShapeOf(const WeightSlot& slot) {
  return slot.IsMatrix() ? Shape{slot.tensor_rows, slot.columns} : Shape{slot.tensor_rows};
}

}  // namespace

Result<PackedMatrix> WeightProvider::Outline(std::string_view name) {
  PackedMatrix matrix = OCTET_TRY(Matrix(name));
  matrix.panels = {};
  return matrix;
}

Status WeightProvider::ReadPanels(std::string_view name, size_t begin, size_t end, std::byte* to) {
  const PackedMatrix matrix = OCTET_TRY(Matrix(name));
  const size_t bytes = kernels::PanelBytes(matrix.format, matrix.depth);
  std::copy_n(matrix.panels.begin() + static_cast<std::ptrdiff_t>(begin * bytes), (end - begin) * bytes, to);
  return {};
}

uint64_t WeightProvider::bytes() const {
  uint64_t total = 0;
  for (const Entry& entry : Entries()) total += entry.bytes;
  return total;
}

size_t PanelRuns(std::string_view name, size_t columns) {
  return name.ends_with(".ffn.gate_up") && columns % (2 * kernels::kPanelColumns) == 0 ? 2 : 1;
}

bool WeightProvider::Has(std::string_view name) const {
  const std::vector<Entry>& entries = Entries();
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.name == name; });
}

Result<CheckpointWeights> CheckpointWeights::Open(const Checkpoint& checkpoint, const ModelSpec& spec,
                                                  ComputeType compute, ThreadPool& pool) {
  CheckpointWeights weights;
  OCTET_TRY(CheckQuantizationMethod(checkpoint.config, checkpoint.path));
  OCTET_TRY(RefuseTransforms(checkpoint));
  weights.path_ = checkpoint.path.string();
  weights.hint_ = QuantisationHint(checkpoint);
  weights.declared_ = ReadDeclaredIntegers(checkpoint.config);
  weights.tensors_ = checkpoint.tensors;
  weights.pool_ = &pool;
  const std::vector<WeightSlot> slots = WeightSlots(spec);
  const WeightFormat dense = OCTET_TRY(weights.DenseFormat(slots, compute));
  for (const WeightSlot& slot : slots) OCTET_TRY(weights.AddSlot(slot, dense, checkpoint.config));
  weights.SayWhatIsDecoded();
  weights.SayWhatIsUnused(checkpoint.config);
  weights.JoinFusedParts();
  for (size_t i = 0; i < weights.entries_.size(); ++i) weights.entries_[i].bytes = PackedBytesOf(weights.sources_[i]);
  return weights;
}

Result<WeightFormat> CheckpointWeights::DenseFormat(const std::vector<WeightSlot>& slots, ComputeType compute) const {
  if (compute != ComputeType::kAuto) return compute == ComputeType::kF32 ? WeightFormat::kF32 : WeightFormat::kBf16;
  for (const WeightSlot& slot : slots) {
    if (!slot.IsMatrix()) continue;
    if (OCTET_TRY(FindCodes(slot))) return WeightFormat::kBf16;
    const TensorInfo* info = OCTET_TRY(FindShaped(*tensors_, slot.tensor, ShapeOf(slot), path_, hint_));
    if (info->stored_type != "F32") return WeightFormat::kBf16;
  }
  return WeightFormat::kF32;
}

auto CheckpointWeights::FindCodes(const WeightSlot& slot) const -> Result<std::optional<Part>> {
  Part part{.slot = slot, .bias = {}, .scale = {}};
  const auto named = [&](Error error) { return Prefixed(std::move(error), path_ + ": "); };
  Result<std::optional<Nvfp4Matrix>> nvfp4 = FindNvfp4Matrix(*tensors_, slot);
  if (!nvfp4) return named(std::move(nvfp4).error());
  Result<std::optional<MxMatrix>> mx = FindMxMatrix(*tensors_, slot);
  if (!mx) return named(std::move(mx).error());
  Result<std::optional<IntegerMatrix>> integers = FindIntegerMatrix(*tensors_, slot, declared_);
  if (!integers) return named(std::move(integers).error());
  part.nvfp4 = std::move(*nvfp4);
  if (*mx && !*nvfp4) part.nvfp4 = OCTET_TRY(AsNvfp4(*tensors_, **mx));
  if (!part.nvfp4) part.mx = std::move(*mx);
  part.integers = std::move(*integers);
  return part.nvfp4 || part.mx || part.integers ? std::optional(std::move(part)) : std::nullopt;
}

WeightFormat CheckpointWeights::FormatOf(const Part& part, WeightFormat dense) {
  if (!part.DecodedFormat().empty()) return dense;
  return part.nvfp4 ? WeightFormat::kNvfp4 : part.integers->format;
}

Status CheckpointWeights::AddSlot(const WeightSlot& slot, WeightFormat dense, const Json& config) {
  if (std::optional<Part> part = OCTET_TRY(FindCodes(slot))) {
    entries_.push_back({.name = slot.name, .is_matrix = true});
    const WeightFormat format = FormatOf(*part, dense);
    sources_.push_back({.parts = {},
                        .format = format,
                        .input_scale = format == WeightFormat::kNvfp4 ? part->nvfp4->input_scale : 0.0F});
    sources_.back().takes_mx_inputs = part->mx && part->mx->is_e4m3;
    if (TakesE4m3Inputs(*part, config)) sources_.back().input_scale = 0;
    if (kernels::Int4Group(format) != 0)
      sources_.back().input_scale = OCTET_TRY(ReadInputScale(*tensors_->Find(part->codes())));
    sources_.back().parts.push_back(std::move(*part));
    return {};
  }
  const TensorInfo* info = OCTET_TRY(FindShaped(*tensors_, slot.tensor, ShapeOf(slot), path_, hint_));
  if (!IsFloat(info->dtype)) {
    return Fail(ErrorCode::kUnsupported, path_, ": tensor ", slot.tensor, " holds ", info->stored_type,
                ", which isn't known for a weight", hint_);
  }
  if (slot.name.ends_with(".bias")) {  // follows its matrix
    sources_.back().parts.back().bias = slot.tensor;
    return {};
  }
  Source source{.parts = {}, .format = dense};
  source.parts.push_back({.slot = slot, .bias = {}, .scale = {}});
  if (slot.IsMatrix() && (info->dtype == DType::kE4M3 || info->dtype == DType::kE5M2)) {
    source.format = OCTET_TRY(FindScales(*info, config, source.parts.back()));
    source.input_scale = OCTET_TRY(ReadInputScale(*info));
  }
  entries_.push_back({.name = slot.name, .is_matrix = slot.IsMatrix()});
  sources_.push_back(std::move(source));
  return {};
}

Result<WeightFormat> CheckpointWeights::FindScales(const TensorInfo& weight, const Json& config, Part& part) const {
  Result<std::optional<BlockScales>> blocks = FindBlockScales(*tensors_, weight, config);
  if (!blocks) return Prefixed(std::move(blocks).error(), path_ + ": ");
  part.blocks = std::move(*blocks);
  if (part.blocks) return WeightFormat::kE4M3Block;
  part.scale = OCTET_TRY(FindScale(weight));
  return WeightFormat::kE4M3;
}

Result<std::string> CheckpointWeights::FindScale(const TensorInfo& weight) const {
  if (weight.dtype != DType::kE4M3) {
    return Fail(ErrorCode::kUnsupported, path_, ": tensor ", weight.name, " holds ", weight.stored_type,
                "; of the 8-bit floats only F8_E4M3 is known for weights");
  }
  std::string name = weight.name + "_scale";
  const TensorInfo* scale = tensors_->Find(name);
  if (scale == nullptr) {
    return Fail(ErrorCode::kNotFound, path_, ": tensor ", weight.name, " is F8_E4M3, but its scale ", name,
                " is missing");
  }
  const std::optional<uint64_t> count = ElementCount(scale->shape);
  const uint64_t rows = weight.shape[0];
  if (!IsFloat(scale->dtype) || (count != 1 && scale->shape != Shape{rows} && scale->shape != Shape{rows, 1})) {
    return Fail(ErrorCode::kUnsupported, path_, ": scale ", name, " has shape ", ToText(scale->shape), " in ",
                scale->stored_type, "; known are one number, [", rows, "] and [", rows,
                ", 1] of floats, and blocks of 128 x 128");
  }
  return name;
}

Result<float> CheckpointWeights::ReadInputScale(const TensorInfo& weight) const {
  const std::string name = weight.name.substr(0, weight.name.rfind('.')) + ".input_scale";
  const TensorInfo* info = tensors_->Find(name);
  if (info == nullptr) return 0.0F;
  if (!IsFloat(info->dtype) || ElementCount(info->shape) != 1) {
    return Fail(ErrorCode::kUnsupported, path_, ": scale ", name, " has shape ", ToText(info->shape), " in ",
                info->stored_type, "; known is one float for all inputs of a matrix");
  }
  float scale = 0;
  OCTET_TRY(tensors_->ReadRows(name, 0, 1, &scale));
  if (std::isfinite(scale) && scale > 0) return scale;
  return Fail(ErrorCode::kCorrupt, path_, ": scale ", name, " is ", scale, ", a number above 0 is expected");
}

void CheckpointWeights::JoinFusedParts() {
  std::vector<Entry> entries;
  std::vector<Source> sources;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const std::string& name = entries_[i].name;
    std::string joined;
    if (name.ends_with(".attn.q")) joined = name + "kv";
    if (name.ends_with(".ffn.gate")) joined = name + "_up";
    const size_t count = FusedParts(joined).size();
    // Parts that want their inputs rounded by different scales stay apart, too.
    const bool alike =
        count > 0 && std::all_of(sources_.begin() + i, sources_.begin() + i + count, [&](const Source& source) {
          return source.format == sources_[i].format && source.input_scale == sources_[i].input_scale &&
                 source.takes_mx_inputs == sources_[i].takes_mx_inputs;
        });
    entries.push_back(alike ? Entry{.name = joined, .is_matrix = true} : std::move(entries_[i]));
    sources.push_back(std::move(sources_[i]));
    for (size_t part = 1; alike && part < count; ++part)
      sources.back().parts.push_back(std::move(sources_[++i].parts.front()));
  }
  entries_ = std::move(entries);
  sources_ = std::move(sources);
}

Result<const CheckpointWeights::Source*> CheckpointWeights::FindSource(std::string_view name, bool is_matrix) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name == name && entries_[i].is_matrix == is_matrix) return &sources_[i];
  }
  return Fail(ErrorCode::kNotFound, path_, ": no ", is_matrix ? "matrix " : "vector ", name);
}

Result<std::vector<float>> CheckpointWeights::Vector(std::string_view name) {
  const Source* source = OCTET_TRY(FindSource(name, /*is_matrix=*/false));
  const WeightSlot& slot = source->parts.front().slot;
  std::vector<float> values(slot.rows);
  OCTET_TRY(tensors_->ReadRows(slot.tensor, 0, 1, values.data()));
  return values;
}

PackedMatrix CheckpointWeights::Describe(const Source& source) {
  PackedMatrix matrix{.format = source.format,
                      .columns = 0,
                      .depth = source.parts.front().slot.columns,
                      .panels = {},
                      .column_scales = {},
                      .bias = {},
                      .input_scale = source.input_scale,
                      .takes_mx_inputs = source.takes_mx_inputs,
                      .owner = {}};
  for (const Part& part : source.parts) matrix.columns += part.slot.rows;
  return matrix;
}

Result<PackedMatrix> CheckpointWeights::Outline(std::string_view name) {
  const Source* source = OCTET_TRY(FindSource(name, /*is_matrix=*/true));
  struct Memory {
    std::vector<float> scales;
    std::vector<float> bias;
  };
  auto memory = std::make_shared<Memory>();
  memory->scales = OCTET_TRY(JoinScales(*source));
  memory->bias = OCTET_TRY(JoinBiases(*source));
  PackedMatrix matrix = Describe(*source);
  matrix.column_scales = memory->scales;
  matrix.bias = memory->bias;
  matrix.owner = std::move(memory);
  return matrix;
}

Result<PackedMatrix> CheckpointWeights::Matrix(std::string_view name) {
  struct Memory {
    WeightArena::Piece panels;
    std::shared_ptr<const void> outline;
  };
  PackedMatrix matrix = OCTET_TRY(Outline(name));
  auto memory = std::make_shared<Memory>();
  memory->panels = OCTET_TRY(arena_.Take(kernels::PackedBytes(matrix.format, matrix.columns, matrix.depth)));
  memory->outline = std::move(matrix.owner);
  matrix.panels = memory->panels.bytes;
  const size_t runs = PanelRuns(name, matrix.columns), run = kernels::Panels(matrix.columns) / runs;
  for (size_t begin = 0; begin < runs * run; begin += run) {
    std::byte* const to = memory->panels.bytes.data() + begin * kernels::PanelBytes(matrix.format, matrix.depth);
    OCTET_TRY(ReadPanels(name, begin, begin + run, to));
  }
  matrix.owner = std::move(memory);
  return matrix;
}

// One number for each of the part's rows: its scale, of NVFP4 that of the tensor, of INT4 what its scales are divided
// by.
Result<std::vector<float>> CheckpointWeights::ScalesOf(const Part& part) const {
  if (part.nvfp4) return std::vector<float>(part.slot.rows, part.nvfp4->factor);
  if (part.integers) {
    Result<std::vector<float>> scales = part.integers->ReadScales(*tensors_, part.slot.first_row, part.slot.rows);
    if (!scales) return Prefixed(std::move(scales).error(), path_ + ": ");
    if (part.integers->format == WeightFormat::kInt8) return scales;
    std::vector<float> factors;
    for (size_t row = 0; row < part.slot.rows; ++row)
      factors.push_back(RowFactor(std::span(*scales).subspan(row * part.integers->groups, part.integers->groups)));
    return factors;
  }
  const std::vector<float> all = OCTET_TRY(RowScales(part));
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(part.slot.first_row);
  return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(part.slot.rows));
}

Result<std::vector<float>> CheckpointWeights::RowScales(const Part& part) const {
  const TensorInfo* info = tensors_->Find(part.scale);
  const uint64_t count = *ElementCount(info->shape);
  std::vector<float> all(count);
  OCTET_TRY(tensors_->ReadRows(part.scale, 0, RowCount(info->shape), all.data()));
  OCTET_TRY(CheckRowScales(all, path_, part.scale));
  if (count == 1) all.assign(part.slot.tensor_rows, all.front());
  return all;
}

Result<std::vector<float>> CheckpointWeights::JoinScales(const Source& source) const {
  std::vector<float> joined;
  if (source.format == WeightFormat::kF32 || source.format == WeightFormat::kBf16) return joined;
  if (source.format == WeightFormat::kE4M3Block) return joined;  // in the panels
  for (const Part& part : source.parts) {
    const std::vector<float> scales = OCTET_TRY(ScalesOf(part));
    joined.insert(joined.end(), scales.begin(), scales.end());
  }
  const bool is_int4 = kernels::Int4Group(source.format) != 0;
  if (is_int4 && std::all_of(joined.begin(), joined.end(), [](float factor) { return factor == 1; })) joined.clear();
  return joined;
}

Result<std::vector<float>> CheckpointWeights::JoinBiases(const Source& source) const {
  const bool any =
      std::any_of(source.parts.begin(), source.parts.end(), [](const Part& part) { return !part.bias.empty(); });
  std::vector<float> bias;
  if (!any) return bias;
  for (const Part& part : source.parts) {
    std::vector<float> all(part.slot.tensor_rows, 0.0F);
    if (!part.bias.empty()) OCTET_TRY(tensors_->ReadRows(part.bias, 0, 1, all.data()));
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(part.slot.first_row);
    bias.insert(bias.end(), first, first + static_cast<std::ptrdiff_t>(part.slot.rows));
  }
  return bias;
}

uint64_t CheckpointWeights::PackedBytesOf(const Source& source) {
  size_t rows = 0;
  bool has_bias = false;
  for (const Part& part : source.parts) {
    rows += part.slot.rows;
    has_bias = has_bias || !part.bias.empty();
  }
  const WeightSlot& slot = source.parts.front().slot;
  const bool has_scales = source.format == WeightFormat::kE4M3 || source.format == WeightFormat::kNvfp4 ||
                          source.format == WeightFormat::kInt8;
  const uint64_t values =
      slot.IsMatrix() ? kernels::PackedBytes(source.format, rows, slot.columns) : rows * sizeof(float);
  return values + rows * sizeof(float) * (size_t{has_scales} + size_t{has_bias});
}

bool CheckpointWeights::all_f32() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& source) {
    return !source.parts.front().slot.IsMatrix() || source.format == WeightFormat::kF32;
  });
}

}  // namespace octet
