#include "quantize/round_trip.h"

#include "base/checked.h"
#include "numeric/e8m0.h"
#include "numeric/fp8.h"
#include "numeric/mx.h"
#include "quantize/e4m3_rows.h"
#include "quantize/integer_rows.h"
#include "quantize/mxfp8_rows.h"
#include "quantize/nvfp4_rows.h"

namespace octet {
namespace {

std::vector<float> Widen(const std::vector<Bf16>& decoded) {
  std::vector<float> floats;
  floats.reserve(decoded.size());
  for (const Bf16 value : decoded) floats.push_back(ToFloat(value));
  return floats;
}

// Codes of E4M3 times scale(row, column).
template <class Scale>
std::vector<float> Decode(const std::vector<uint8_t>& codes, size_t columns, Scale&& scale) {
  std::vector<float> floats(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) floats[i] = ToFloat(E4M3{codes[i]}) * scale(i / columns, i % columns);
  return floats;
}

Result<std::vector<float>> RoundTripE4M3(const TensorPrecision& tensor, std::span<const float> weights, float global,
                                         const ErrorWeights* inputs, ThreadPool& pool) {
  const size_t columns = RowSize(tensor.shape), rows = weights.size() / columns;
  if (*tensor.encoding == Encoding::kE4M3Tensor) {
    const EncodedRows encoded = OCTET_TRY(EncodeE4M3Tensor(weights, rows, columns, global, pool));
    return Decode(encoded.codes, columns, [&](size_t, size_t) { return global; });
  }
  if (*tensor.encoding == Encoding::kE4M3) {
    const EncodedRows encoded = OCTET_TRY(EncodeE4M3Rows(weights, rows, columns, pool, inputs));
    return Decode(encoded.codes, columns, [&](size_t row, size_t) { return encoded.scales[row]; });
  }
  if (*tensor.encoding == Encoding::kMxfp8) {
    const EncodedMxfp8 encoded = OCTET_TRY(EncodeMxfp8Rows(weights, rows, columns, pool, inputs));
    const size_t blocks = CeilDivide(columns, kMxBlock);
    return Decode(encoded.codes, columns, [&](size_t row, size_t column) {
      return ToFloat(E8M0{encoded.scales[row * blocks + column / kMxBlock]});
    });
  }
  const EncodedRows encoded = OCTET_TRY(EncodeE4M3Blocks(weights, rows, columns, pool));
  const size_t blocks = CeilDivide(columns, kE4M3BlockSide);
  return Decode(encoded.codes, columns, [&](size_t row, size_t column) {
    return encoded.scales[row / kE4M3BlockSide * blocks + column / kE4M3BlockSide];
  });
}

}  // namespace

Result<std::vector<float>> RoundTrip(const TensorPrecision& tensor, std::span<const float> weights, float global,
                                     const ErrorWeights* inputs, ThreadPool& pool) {
  OCTET_CHECK(tensor.quantised());
  if (IsE4M3(*tensor.encoding)) return RoundTripE4M3(tensor, weights, global, inputs, pool);
  const size_t columns = RowSize(tensor.shape), rows = weights.size() / columns;
  std::vector<Bf16> decoded;
  if (*tensor.encoding == Encoding::kNvfp4) {
    const EncodedNvfp4 encoded = OCTET_TRY(EncodeNvfp4Rows(weights, rows, columns, global, pool, inputs));
    AppendDecoded(encoded, rows, columns, global, decoded);
    return Widen(decoded);
  }
  if (*tensor.encoding == Encoding::kInt4) {
    const EncodedIntegers encoded = OCTET_TRY(EncodeInt4Groups(weights, rows, columns, tensor.group, pool, inputs));
    AppendDecoded(encoded, rows, columns, tensor.group, decoded);
    return Widen(decoded);
  }
  const EncodedIntegers encoded = OCTET_TRY(EncodeInt8Rows(weights, rows, columns, pool, inputs));
  std::vector<float> floats(weights.size());
  for (size_t i = 0; i < floats.size(); ++i)
    floats[i] = static_cast<float>(encoded.codes[i]) * ToFloat(encoded.scales[i / columns]);
  return floats;
}

}  // namespace octet
