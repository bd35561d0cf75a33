#include "quantize/tensor_output.h"

#include <algorithm>

#include "base/checked.h"
#include "formats/check_values.h"
#include "formats/packed_integers.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"
#include "quantize/e4m3_rows.h"
#include "quantize/integer_rows.h"
#include "quantize/nvfp4_rows.h"
#include "quantize/tensor_slices.h"

namespace octet {
namespace {

constexpr size_t kCopyBytes = size_t{16} << 20;

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

std::string PackedNameOf(std::string_view tensor) { return Cat(ModuleOf(tensor), ".weight_packed"); }
std::string ShapeNameOf(std::string_view tensor) { return Cat(ModuleOf(tensor), ".weight_shape"); }
bool IsInteger(const TensorPrecision& tensor) {
  return tensor.encoding == Encoding::kInt8 || tensor.encoding == Encoding::kInt4;
}
bool IsNvfp4(const TensorPrecision& tensor) { return tensor.encoding == Encoding::kNvfp4; }
bool HasOneScale(const TensorPrecision& tensor) { return tensor.encoding == Encoding::kE4M3Tensor; }
int BitsOf(const TensorPrecision& tensor) { return *tensor.encoding == Encoding::kInt4 ? 4 : 8; }

// A slice of rows in the bytes that its file holds: codes to be written now, scales after the last slice.
struct EncodedSlice {
  std::vector<std::byte> codes, scales;
  RoundingNoise noise;
};

template <class Number>
std::vector<std::byte> BytesOf(const std::vector<Number>& numbers) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(numbers));
  return {bytes.begin(), bytes.end()};
}

// `global` is the tensor's where it has one.
Result<EncodedSlice> EncodeSlice(const TensorPrecision& tensor, std::span<const float> floats, float global,
                                 ThreadPool& pool) {
  const size_t columns = RowSize(tensor.shape), rows = floats.size() / columns;
  if (IsNvfp4(tensor)) {
    const EncodedNvfp4 encoded = OCTET_TRY(EncodeNvfp4Rows(floats, rows, columns, global, pool));
    return EncodedSlice{BytesOf(encoded.codes), BytesOf(encoded.scales), encoded.noise};
  }
  if (IsE4M3(*tensor.encoding)) {
    const EncodedRows encoded =
        OCTET_TRY(HasOneScale(tensor)                   ? EncodeE4M3Tensor(floats, rows, columns, global, pool)
                  : *tensor.encoding == Encoding::kE4M3 ? EncodeE4M3Rows(floats, rows, columns, pool)
                                                        : EncodeE4M3Blocks(floats, rows, columns, pool));
    return EncodedSlice{BytesOf(encoded.codes), BytesOf(encoded.scales), encoded.noise};
  }
  const EncodedIntegers encoded =
      OCTET_TRY(*tensor.encoding == Encoding::kInt8 ? EncodeInt8Rows(floats, rows, columns, pool)
                                                    : EncodeInt4Groups(floats, rows, columns, tensor.group, pool));
  std::vector<uint32_t> words(rows * PackedWords(columns, BitsOf(tensor)));
  PackIntegers(encoded.codes, columns, BitsOf(tensor), words);
  return EncodedSlice{BytesOf(words), BytesOf(encoded.scales), encoded.noise};
}

// A number for a whole tensor or for its inputs, as readers name it.
struct NamedNumber {
  std::string name;
  float value = 0;
};

// Those of a tensor; the values are of its weights' and its inputs' scale as they are stored.
std::vector<NamedNumber> NumbersOf(const TensorPrecision& tensor, float global, float of_inputs) {
  const std::string module(ModuleOf(tensor.name));
  std::vector<NamedNumber> numbers;
  if (IsNvfp4(tensor)) numbers.push_back({module + ".weight_global_scale", global});
  if (HasOneScale(tensor)) numbers.push_back({module + ".weight_scale", global});
  if (tensor.rounds_inputs)
    numbers.push_back({module + (IsNvfp4(tensor) ? ".input_global_scale" : ".input_scale"), of_inputs});
  return numbers;
}

float InputScaleOf(const TensorPrecision& tensor, const InputRanges& inputs) {
  if (!tensor.rounds_inputs) return 0;
  const float amax = inputs.at(tensor.joined);
  return IsNvfp4(tensor) ? Nvfp4GlobalScale(amax) : E4M3TensorScale(amax);
}

}  // namespace

std::string ScaleNameOf(std::string_view tensor) { return Cat(ModuleOf(tensor), ".weight_scale"); }

std::vector<TensorSpec> OutputTensors(const PrecisionMap& map) {
  std::vector<TensorSpec> specs;
  for (const TensorPrecision& tensor : map.tensors) {
    if (IsInteger(tensor)) specs.push_back({ShapeNameOf(tensor.name), DType::kI64, {2}});
  }
  for (const TensorPrecision& tensor : map.tensors) {
    for (NamedNumber& number : NumbersOf(tensor, 0, 0)) specs.push_back({std::move(number.name), DType::kF32, {1}});
  }
  for (const TensorPrecision& tensor : map.tensors) {
    const uint64_t rows = RowCount(tensor.shape);
    if (IsInteger(tensor)) {
      const uint64_t words = PackedWords(RowSize(tensor.shape), BitsOf(tensor));
      specs.push_back({PackedNameOf(tensor.name), DType::kI32, {rows, words}});
      specs.push_back({ScaleNameOf(tensor.name), DType::kBf16, {rows, tensor.groups()}});
    } else if (IsNvfp4(tensor)) {
      specs.push_back({PackedNameOf(tensor.name), DType::kU8, {rows, CeilDivide(RowSize(tensor.shape), 2)}});
      specs.push_back({ScaleNameOf(tensor.name), DType::kE4M3, {rows, tensor.groups()}});
    } else if (tensor.quantised()) {
      specs.push_back({tensor.name, DType::kE4M3, tensor.shape});
      if (HasOneScale(tensor)) continue;  // among the first
      specs.push_back({ScaleNameOf(tensor.name), DType::kF32, {CeilDivide(rows, tensor.row_block()), tensor.groups()}});
    } else {
      specs.push_back({tensor.name, tensor.dtype, tensor.shape});
    }
  }
  return specs;
}

Status WriteHeads(const PrecisionMap& map, const GlobalScales& globals, const InputRanges& inputs,
                  ShardedSafetensorsWriter& writer) {
  for (const TensorPrecision& tensor : map.tensors) {
    if (!IsInteger(tensor)) continue;
    const uint64_t shape[] = {RowCount(tensor.shape), RowSize(tensor.shape)};
    OCTET_TRY(writer.Write(ShapeNameOf(tensor.name), std::as_bytes(std::span(shape))));
  }
  for (const TensorPrecision& tensor : map.tensors) {
    const auto global = globals.find(tensor.name);
    for (const NamedNumber& number :
         NumbersOf(tensor, global == globals.end() ? 0 : global->second, InputScaleOf(tensor, inputs)))
      OCTET_TRY(writer.Write(number.name, std::as_bytes(std::span(&number.value, 1))));
  }
  return {};
}

Status CopyTensor(const TensorSource& source, const TensorPrecision& tensor, ShardedSafetensorsWriter& writer,
                  const QuantizeRun& run) {
  const TensorInfo* info = source.Find(tensor.source);
  if (info == nullptr) return Fail(ErrorCode::kNotFound, "tensor `", tensor.source, "` is missing");
  const bool is_float16 = tensor.dtype == DType::kBf16 || tensor.dtype == DType::kF16;
  if (info->dtype == tensor.dtype && !is_float16) {
    if (const Result<std::span<const std::byte>> bytes = source.Bytes(tensor.source))
      return CopyBytes(*bytes, tensor, writer, run);
  }
  if (!is_float16) {
    return Fail(ErrorCode::kUnsupported, "tensor `", tensor.name, "`: ", info->stored_type, " can't be written as ",
                Name(tensor.dtype));
  }
  std::vector<uint16_t> codes;
  return ForEachSlice(source, tensor, run, [&](uint64_t first, std::span<const float> floats) -> Status {
    OCTET_TRY(CheckValues(floats, first, RowSize(tensor.shape), tensor.dtype, tensor.source));
    codes.resize(floats.size());
    run.pool.ForEachShare(floats.size(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) codes[i] = Round16(tensor.dtype, floats[i]);
    });
    return writer.Write(tensor.name, std::as_bytes(std::span(codes)));
  });
}

Result<RoundingNoise> EncodeTensor(const TensorSource& source, const TensorPrecision& tensor,
                                   const GlobalScales& globals, ShardedSafetensorsWriter& writer,
                                   const QuantizeRun& run) {
  const std::string codes = IsE4M3(*tensor.encoding) ? tensor.name : PackedNameOf(tensor.name);
  const float global = HasTensorScale(*tensor.encoding) ? globals.at(tensor.name) : 1.0F;
  std::vector<std::byte> scales;
  RoundingNoise total;
  OCTET_TRY(ForEachSlice(source, tensor, run, [&](uint64_t first, std::span<const float> floats) -> Status {
    const Result<EncodedSlice> encoded = EncodeSlice(tensor, floats, global, run.pool);
    if (!encoded) return Prefixed(encoded.error(), Cat("tensor `", tensor.source, "`, rows from ", first, ": "));
    scales.insert(scales.end(), encoded->scales.begin(), encoded->scales.end());
    total.Add(encoded->noise);
    return writer.Write(codes, encoded->codes);
  }));
  if (!HasOneScale(tensor)) OCTET_TRY(writer.Write(ScaleNameOf(tensor.name), scales));
  return total;
}

}  // namespace octet
