#include "quantize/tensor_output.h"

#include <algorithm>

#include "formats/check_values.h"
#include "formats/packed_integers.h"
#include "numeric/bf16.h"
#include "numeric/fp16.h"
#include "quantize/e4m3_rows.h"
#include "quantize/integer_rows.h"
#include "quantize/mxfp8_rows.h"
#include "quantize/nvfp4_rows.h"
#include "quantize/tensor_layout.h"
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

bool IsNvfp4(const TensorPrecision& tensor) { return tensor.encoding == Encoding::kNvfp4; }

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

// Codes and scales that are stored as they are.
template <class Encoded>
EncodedSlice SliceOf(const Encoded& encoded) {
  return {BytesOf(encoded.codes), BytesOf(encoded.scales), encoded.noise};
}

// `global` is the tensor's where it has one.
Result<EncodedSlice> EncodeE4M3(const TensorPrecision& tensor, std::span<const float> floats, float global,
                                const KnownInputs& known, ThreadPool& pool) {
  const size_t columns = RowSize(tensor.shape), rows = floats.size() / columns;
  if (*tensor.encoding == Encoding::kE4M3Tensor)
    return SliceOf(OCTET_TRY(EncodeE4M3Tensor(floats, rows, columns, global, pool)));
  if (*tensor.encoding == Encoding::kMxfp8) {
    const EncodedMxfp8 encoded = OCTET_TRY(EncodeMxfp8Rows(floats, rows, columns, pool, known.weights));
    if (known.decoded != nullptr) AppendDecoded(encoded, rows, columns, *known.decoded);
    return SliceOf(encoded);
  }
  if (*tensor.encoding == Encoding::kE4M3) {
    const EncodedRows encoded = OCTET_TRY(EncodeE4M3Rows(floats, rows, columns, pool, known.weights));
    if (known.decoded != nullptr) AppendDecoded(encoded, rows, columns, *known.decoded);
    return SliceOf(encoded);
  }
  return SliceOf(OCTET_TRY(EncodeE4M3Blocks(floats, rows, columns, pool)));
}

// Codes of a slice as the dialect packs them. Requires an even number of rows where they are paired.
std::vector<std::byte> PackCodes(const TensorPrecision& tensor, const std::vector<int8_t>& codes) {
  const size_t columns = RowSize(tensor.shape), rows = codes.size() / columns;
  const int bits = *tensor.encoding == Encoding::kInt4 ? 4 : 8;
  if (tensor.takes_int8_inputs) return BytesOf(codes);
  if (!tensor.is_modelopt()) {
    std::vector<uint32_t> words(rows * PackedWords(columns, bits));
    PackIntegers(codes, columns, bits, words);
    return BytesOf(words);
  }
  if (!PairsRows(tensor)) return BytesOf(codes);
  std::vector<std::byte> pairs(codes.size() / 2);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const size_t at = i / columns * 2 * columns + i % columns;
    pairs[i] = static_cast<std::byte>((codes[at] & 15) | (codes[at + columns] & 15) << 4);
  }
  return pairs;
}

Result<EncodedSlice> EncodeIntegers(const TensorPrecision& tensor, std::span<const float> floats,
                                    const KnownInputs& known, ThreadPool& pool) {
  const size_t columns = RowSize(tensor.shape), rows = floats.size() / columns;
  const EncodedIntegers encoded = OCTET_TRY(
      *tensor.encoding == Encoding::kInt8 ? EncodeInt8Rows(floats, rows, columns, pool, known.weights)
                                          : EncodeInt4Groups(floats, rows, columns, tensor.group, pool, known.weights));
  if (known.decoded != nullptr) AppendDecoded(encoded, rows, columns, tensor.group, *known.decoded);
  std::vector<float> wide;  // as ModelOpt has them
  for (const Bf16 scale : encoded.scales) wide.push_back(ToFloat(scale));
  return EncodedSlice{PackCodes(tensor, encoded.codes), tensor.is_modelopt() ? BytesOf(wide) : BytesOf(encoded.scales),
                      encoded.noise};
}

Result<EncodedSlice> EncodeSlice(const TensorPrecision& tensor, std::span<const float> floats, float global,
                                 const KnownInputs& known, ThreadPool& pool) {
  if (IsE4M3(*tensor.encoding)) return EncodeE4M3(tensor, floats, global, known, pool);
  if (!IsNvfp4(tensor)) return EncodeIntegers(tensor, floats, known, pool);
  const size_t columns = RowSize(tensor.shape), rows = floats.size() / columns;
  const EncodedNvfp4 encoded = OCTET_TRY(EncodeNvfp4Rows(floats, rows, columns, global, pool, known.weights));
  if (known.decoded != nullptr) AppendDecoded(encoded, rows, columns, global, *known.decoded);
  return SliceOf(encoded);
}

// What a number for the whole tensor or its inputs is in the file.
float ValueOf(const TensorNumber& number, const TensorPrecision& tensor, const GlobalScales& globals,
              const InputRanges& inputs) {
  const float amax = number.of_inputs ? inputs.at(tensor.joined) : 0;
  if (!IsNvfp4(tensor)) return number.of_inputs ? E4M3TensorScale(amax) : globals.at(tensor.name);
  const float reciprocal = number.of_inputs ? Nvfp4GlobalScale(amax) : globals.at(tensor.name);
  return number.is_reciprocal ? reciprocal : 1 / reciprocal;
}

}  // namespace

std::vector<TensorSpec> OutputTensors(const PrecisionMap& map) {
  std::vector<TensorSpec> shapes, numbers, tensors;
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.quantised()) {
      tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
      continue;
    }
    TensorLayout layout = LayoutOf(tensor);
    if (layout.shape) shapes.push_back(std::move(*layout.shape));
    for (TensorNumber& number : layout.numbers) numbers.push_back(std::move(number.spec));
    tensors.push_back(std::move(layout.codes));
    if (layout.scales) tensors.push_back(std::move(*layout.scales));
  }
  shapes.insert(shapes.end(), numbers.begin(), numbers.end());
  shapes.insert(shapes.end(), tensors.begin(), tensors.end());
  return shapes;
}

Status WriteHeads(const PrecisionMap& map, const GlobalScales& globals, const InputRanges& inputs,
                  ShardedSafetensorsWriter& writer) {
  for (const TensorPrecision& tensor : map.tensors) {
    const std::optional<TensorSpec> spec = tensor.quantised() ? LayoutOf(tensor).shape : std::nullopt;
    if (!spec) continue;
    const uint64_t shape[] = {RowCount(tensor.shape), RowSize(tensor.shape)};
    OCTET_TRY(writer.Write(spec->name, std::as_bytes(std::span(shape))));
  }
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.quantised()) continue;
    for (const TensorNumber& number : LayoutOf(tensor).numbers) {
      const float value[] = {ValueOf(number, tensor, globals, inputs)};
      OCTET_TRY(writer.Write(number.spec.name, std::as_bytes(std::span(value))));
    }
  }
  return {};
}

std::vector<std::string> SlotsWithoutRange(const PrecisionMap& map, const InputRanges& inputs) {
  std::vector<std::string> slots;
  for (const TensorPrecision& tensor : map.tensors) {
    if (!tensor.rounds_inputs || std::find(slots.begin(), slots.end(), tensor.joined) != slots.end()) continue;
    const float amax = inputs.at(tensor.joined);
    const float scale = IsNvfp4(tensor) ? Nvfp4GlobalScale(amax) : E4M3TensorScale(amax);
    if (scale == 1 && amax < 1) slots.push_back(tensor.joined);
  }
  return slots;
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
                                   const GlobalScales& globals, const KnownInputs& known,
                                   ShardedSafetensorsWriter& writer, const QuantizeRun& run) {
  const TensorLayout layout = LayoutOf(tensor);
  const float global = HasTensorScale(*tensor.encoding) ? globals.at(tensor.name) : 1.0F;
  std::vector<std::byte> scales;
  RoundingNoise total;
  OCTET_TRY(ForEachSlice(source, tensor, run, [&](uint64_t first, std::span<const float> floats) -> Status {
    const Result<EncodedSlice> encoded = EncodeSlice(tensor, floats, global, known, run.pool);
    if (!encoded) return Prefixed(encoded.error(), Cat("tensor `", tensor.source, "`, rows from ", first, ": "));
    scales.insert(scales.end(), encoded->scales.begin(), encoded->scales.end());
    total.Add(encoded->noise);
    return writer.Write(layout.codes.name, encoded->codes);
  }));
  if (layout.scales) OCTET_TRY(writer.Write(layout.scales->name, scales));
  return total;
}

}  // namespace octet
