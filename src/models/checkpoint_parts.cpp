// What a part of a matrix is made of; the class is in models/weights.h.
#include <map>

#include "base/log.h"
#include "formats/quantization_files.h"
#include "models/weights.h"
#include "numeric/fp8.h"

namespace octet {

const std::string& CheckpointWeights::Part::codes() const {
  return integers ? integers->codes : nvfp4 ? nvfp4->codes : mx ? mx->codes : slot.tensor;
}

std::vector<std::string> CheckpointWeights::Part::tensors() const {
  std::vector<std::string> names = {codes()};
  if (integers) names.push_back(integers->scales);
  if (integers && !integers->zeros.empty()) names.push_back(integers->zeros);
  if (nvfp4) names.push_back(nvfp4->scales);
  if (mx) names.push_back(mx->scales);
  return names;
}

std::string CheckpointWeights::Part::DecodedFormat() const {
  if (mx) return mx->is_e4m3 ? "MXFP8" : "MXFP4";
  if (nvfp4) return nvfp4->input_factors.empty() ? "" : "NVFP4 with factors of inputs";
  return integers ? integers->decoded : "";
}

Status CheckpointWeights::Part::ReadRows(const TensorSource& source, size_t first, size_t count, float* to) const {
  if (mx) return mx->ReadRows(source, first, count, to);
  if (nvfp4) return nvfp4->ReadRows(source, first, count, to);
  if (integers) return integers->ReadRows(source, first, count, to);
  return source.ReadRows(slot.tensor, first, count, to);
}

void CheckpointWeights::SayWhatIsDecoded() const {
  std::map<std::string, size_t> modules;  // by format
  std::string to = "BF16";
  for (const Source& source : sources_) {
    const std::string format = source.parts.front().DecodedFormat();
    if (format.empty()) continue;
    ++modules[format];
    if (source.format == kernels::WeightFormat::kF32) to = "FP32";
  }
  if (modules.empty()) return;
  std::string formats;
  bool is_exact = true;
  for (const auto& [format, count] : modules) {
    const char* is = !formats.empty() ? " " : count == 1 ? " matrix is " : " matrices are ";
    formats += Cat(formats.empty() ? "" : ", ", count, is, format);
    is_exact = is_exact && (to == "FP32" || format.starts_with("MX"));
  }
  LogWarningOnce(path_, ": ", formats, ", which no kernel multiplies: decoded", is_exact ? " to " : " and rounded to ",
                 to, " when loaded");
}

bool CheckpointWeights::TakesE4m3Inputs(const Part& part, const Json& config) {
  const std::string module = part.slot.tensor.substr(0, part.slot.tensor.rfind('.'));
  return part.nvfp4 && QuantizationAlgorithm(config, module) == "W4A8_NVFP4_FP8";
}

void CheckpointWeights::SayWhatIsUnused(const Json& config) const {
  size_t of_int8 = 0, of_e4m3 = 0;
  for (const Source& source : sources_) {
    const Part& part = source.parts.front();
    const std::string module = part.slot.tensor.substr(0, part.slot.tensor.rfind('.'));
    if (tensors_->Find(module + ".input_scale") == nullptr) continue;
    if (part.integers && part.integers->bits == 8) ++of_int8;
    if (TakesE4m3Inputs(part, config)) ++of_e4m3;
  }
  if (of_int8 != 0) {
    LogWarningOnce(path_, ": the input_scale of ", of_int8, of_int8 == 1 ? " INT8 matrix is" : " INT8 matrices are",
                   " unused: inputs are rounded to INT8 by a scale of each token's own");
  }
  if (of_e4m3 != 0) {
    LogWarningOnce(path_, ": the input_scale of ", of_e4m3, of_e4m3 == 1 ? " NVFP4 matrix is" : " NVFP4 matrices are",
                   " unused: it is of inputs in FP8 (W4A8_NVFP4_FP8), which NVFP4 weights don't take here");
  }
}

size_t CheckpointWeights::input_scales() const {
  size_t count = 0;
  for (const Source& source : sources_) count += source.input_scale != 0 ? source.parts.size() : 0;
  return count;
}

const CheckpointWeights::Part* CheckpointWeights::FindPart(std::string_view tensor) const {
  for (const Source& source : sources_) {
    for (const Part& part : source.parts)
      if (part.slot.tensor == tensor) return &part;
  }
  return nullptr;
}

std::string CheckpointWeights::CodesOf(std::string_view tensor) const {
  const Part* part = FindPart(tensor);
  const bool is_e4m3 = part != nullptr && (part->blocks || !part->scale.empty());
  return part != nullptr && (is_e4m3 || part->integers || part->nvfp4 || part->mx) ? part->codes() : "";
}

Status CheckpointWeights::ReadWeights(std::string_view tensor, size_t first, size_t count, float* to) const {
  const Part* part = FindPart(tensor);
  if (part == nullptr) return Fail(ErrorCode::kNotFound, path_, ": no weight of the model is in tensor ", tensor);
  if (part->blocks || !part->scale.empty()) return DecodeE4M3(*part, first, count, to);
  Status read = part->ReadRows(*tensors_, first, count, to);
  return read ? read : tl::unexpected<Error>(Prefixed(std::move(read).error(), path_ + ": "));
}

Status CheckpointWeights::DecodeE4M3(const Part& part, size_t first, size_t count, float* to) const {
  const size_t columns = part.slot.columns;
  const std::span<const std::byte> bytes = OCTET_TRY(tensors_->Bytes(part.slot.tensor));
  const std::span<const std::byte> codes = bytes.subspan(first * columns, count * columns);
  OCTET_TRY(RefuseNan(codes, first, columns, part.slot.tensor));
  const std::vector<float> scales = part.blocks ? part.blocks->OfRows(first, count) : OCTET_TRY(RowScales(part));
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t row = i / columns;
    const float scale =
        part.blocks ? scales[row * part.blocks->blocks() + i % columns / kernels::kFp8Block] : scales[first + row];
    to[i] = ToFloat(E4M3{std::to_integer<uint8_t>(codes[i])}) * scale;
  }
  return {};
}

}  // namespace octet
