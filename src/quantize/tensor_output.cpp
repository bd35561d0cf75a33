#include "quantize/tensor_output.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numeric/bf16.h"
#include "numeric/fp16.h"
#include "quantize/e4m3_rows.h"

namespace octet {
namespace {

// Weights of a slice, at least one row: 16 MB of floats beside 4 MB of codes.
constexpr uint64_t kSliceWeights = uint64_t{4} << 20;
constexpr size_t kCopyBytes = size_t{16} << 20;

uint64_t RowsPerSlice(const Shape& shape) {
  return std::max<uint64_t>(1, kSliceWeights / std::max<uint64_t>(1, RowSize(shape)));
}

// Calls body(first, floats) for consecutive slices of rows.
template <class Body>
Status ForEachSlice(const TensorSource& source, const TensorPrecision& tensor, const QuantizeRun& run, Body&& body) {
  const uint64_t rows = RowCount(tensor.shape), columns = RowSize(tensor.shape), step = RowsPerSlice(tensor.shape);
  std::vector<float> floats;
  for (uint64_t first = 0; first < rows; first += step) {
    OCTET_TRY(run.cancel.Check());
    const uint64_t count = std::min(step, rows - first);
    floats.resize(count * columns);
    OCTET_TRY(source.ReadRows(tensor.source, first, count, floats.data()));
    OCTET_TRY(body(first, std::span<const float>(floats)));
    run.progress.Advance(floats.size());
  }
  return {};
}

Status CopyBytes(std::span<const std::byte> bytes, const TensorPrecision& tensor, ShardedSafetensorsWriter& writer,
                 const QuantizeRun& run) {
  const size_t element = ByteSize(tensor.dtype);
  while (!bytes.empty()) {
    OCTET_TRY(run.cancel.Check());
    const size_t step = std::min(bytes.size(), kCopyBytes);
    OCTET_TRY(writer.Write(tensor.name, bytes.first(step)));
    bytes = bytes.subspan(step);
    run.progress.Advance(step / element);
  }
  return {};
}

uint16_t Round16(DType dtype, float value) { return dtype == DType::kBf16 ? ToBf16(value).bits : ToFp16(value).bits; }

}  // namespace

double RoundingNoise::Decibels() const {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

std::string ScaleNameOf(std::string_view tensor) { return Cat(ModuleOf(tensor), ".weight_scale"); }

std::vector<TensorSpec> OutputTensors(const PrecisionMap& map) {
  std::vector<TensorSpec> specs;
  for (const TensorPrecision& tensor : map.tensors) {
    specs.push_back({tensor.name, tensor.dtype, tensor.shape});
    if (tensor.quantised) specs.push_back({ScaleNameOf(tensor.name), DType::kF32, {RowCount(tensor.shape), 1}});
  }
  return specs;
}

Status CopyTensor(const TensorSource& source, const TensorPrecision& tensor, ShardedSafetensorsWriter& writer,
                  const QuantizeRun& run) {
  const TensorInfo* info = source.Find(tensor.source);
  if (info == nullptr) return Fail(ErrorCode::kNotFound, "tensor `", tensor.source, "` is missing");
  if (info->dtype == tensor.dtype) {
    if (const Result<std::span<const std::byte>> bytes = source.Bytes(tensor.source))
      return CopyBytes(*bytes, tensor, writer, run);
  }
  if (tensor.dtype != DType::kBf16 && tensor.dtype != DType::kF16) {
    return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name, "`: ", info->stored_type, " can't be written as ",
                Name(tensor.dtype));
  }
  std::vector<uint16_t> codes;
  return ForEachSlice(source, tensor, run, [&](uint64_t, std::span<const float> floats) {
    codes.resize(floats.size());
    run.pool.ForEachShare(floats.size(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) codes[i] = Round16(tensor.dtype, floats[i]);
    });
    return writer.Write(tensor.name, std::as_bytes(std::span(codes)));
  });
}

Result<RoundingNoise> WriteE4M3Tensor(const TensorSource& source, const TensorPrecision& tensor,
                                      ShardedSafetensorsWriter& writer, const QuantizeRun& run) {
  const uint64_t columns = RowSize(tensor.shape);
  std::vector<float> scales;
  RoundingNoise total;
  OCTET_TRY(ForEachSlice(source, tensor, run, [&](uint64_t first, std::span<const float> floats) -> Status {
    Result<EncodedRows> encoded = EncodeE4M3Rows(floats, floats.size() / columns, columns, run.pool);
    if (!encoded)
      return Prefixed(std::move(encoded).error(), Cat("tensor `", tensor.source, "`, rows from ", first, ": "));
    scales.insert(scales.end(), encoded->scales.begin(), encoded->scales.end());
    total.signal += encoded->signal;
    total.noise += encoded->noise;
    return writer.Write(tensor.name, std::as_bytes(std::span(encoded->codes)));
  }));
  OCTET_TRY(writer.Write(ScaleNameOf(tensor.name), std::as_bytes(std::span(scales))));
  return total;
}

}  // namespace octet
