#include "kernels/self_test.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/random.h"

namespace octet::kernels {
namespace {

constexpr size_t kRows = 9;  // more than a block of 8
constexpr size_t kDepth = 132;
constexpr size_t kColumns = 40;  // more than a panel of 32
constexpr size_t kHeadDim = 64;
constexpr double kFunctionBound = 0x1p-19;
constexpr double kSumBound = 2.0 * kDepth * 0x1p-24;

using Floats = std::vector<float>;

// Numbers in [-1, 1), others for every stream.
Floats Numbers(size_t count, uint32_t stream) {
  Floats out(count);
  for (size_t i = 0; i < count; ++i) out[i] = 2 * CounterRandom{.seed = 1}.Uniform(stream, 0, i) - 1;
  return out;
}

// Zeroed bytes on a cache line, as the kernels read them.
class Packed {
 public:
  explicit Packed(size_t bytes) : lines_((bytes + sizeof(Line) - 1) / sizeof(Line)) {}
  std::byte* data() { return lines_.data()->bytes; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64] = {};
  };
  std::vector<Line> lines_;
};

double Norm(const float* x, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::sqrt(sum);
}

double Largest(const Floats& x) {
  double largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

// Largest difference over `scale`; NaN where one of the two has it.
double Difference(const Floats& got, const Floats& want, double scale) {
  double largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(difference)) return difference;
  }
  return largest / std::max(scale, 1e-30);
}

// E4M3 codes without the two of NaN.
std::vector<uint8_t> Codes(size_t count) {
  std::vector<uint8_t> codes(count);
  for (size_t i = 0; i < count; ++i) {
    const auto code = static_cast<uint8_t>(CounterRandom{.seed = 1}.Bits(2, 0, i));
    codes[i] = (code & 0x7F) == 0x7F ? uint8_t{0} : code;
  }
  return codes;
}

// Bytes as codes of INT8, or their lowest bits as those of INT4.
std::vector<int8_t> Integers(WeightFormat format, size_t count) {
  std::vector<int8_t> codes(count);
  for (size_t i = 0; i < count; ++i) {
    const int byte = static_cast<int>(CounterRandom{.seed = 1}.Bits(2, 0, i) & 255);
    codes[i] = static_cast<int8_t>(format == WeightFormat::kInt8 ? byte - 128 : byte % 16 - 8);
  }
  return codes;
}

void PackWeights(WeightFormat format, void* packed) {
  const Floats weights = Numbers(kColumns * kDepth, 1);
  if (format == WeightFormat::kF32) PackWeightsF32(weights.data(), kColumns, kDepth, packed);
  if (format == WeightFormat::kBf16) PackWeightsBf16(weights.data(), kColumns, kDepth, packed);
  if (format == WeightFormat::kE4M3) PackWeightsE4M3(Codes(kColumns * kDepth).data(), kColumns, kDepth, packed);
  if (format == WeightFormat::kE4M3Block) {
    const Floats scales(kColumns * Fp8Blocks(kDepth), 1.0f / 448);
    PackWeightsE4M3Block(Codes(kColumns * kDepth).data(), scales.data(), kColumns, kDepth, packed);
  }
  if (format == WeightFormat::kNvfp4) {
    std::vector<uint8_t> codes = Codes(kColumns * kDepth), scales = Codes(kColumns * (kDepth / kNvfp4Block + 1));
    for (uint8_t& code : codes) code &= 15;
    for (uint8_t& scale : scales) scale &= 0x7F;
    PackWeightsNvfp4(codes.data(), scales.data(), kColumns, kDepth, packed);
  }
  if (!IsInteger(format)) return;
  const std::vector<int8_t> codes = Integers(format, kColumns * kDepth);
  if (format == WeightFormat::kInt8) return PackWeightsInt8(codes.data(), kColumns, kDepth, packed);
  const Floats numbers = Numbers(kColumns * IntegerGroups(format, PaddedDepth(format, kDepth)), 13);
  std::vector<Fp16> scales;
  for (const float number : numbers) scales.push_back(ToFp16(number / 8));
  if (!HasZeros(format)) return PackWeightsInt4(format, codes.data(), scales.data(), kColumns, kDepth, packed);
  std::vector<uint8_t> stored, zeros;
  for (const int8_t code : codes) stored.push_back(static_cast<uint8_t>(code + 8));
  for (size_t i = 0; i < scales.size(); ++i) zeros.push_back(static_cast<uint8_t>(i % 16));
  PackWeightsInt4Zeros({format, stored.data(), scales.data(), zeros.data()}, kColumns, kDepth, packed);
}

using Formats = std::pair<WeightFormat, ActivationFormat>;

Floats Multiply(const KernelTable& tier, Formats formats, const Floats& x, const Floats& scales, const void* weights) {
  const auto [format, read] = formats;
  const size_t depth = PaddedDepth(format, kDepth);
  const bool is_int8 = read == ActivationFormat::kInt8, is_nvfp4 = read == ActivationFormat::kNvfp4;
  Packed activations(is_int8 ? Int8ActivationBytes(format, kRows, depth) : ActivationBytes(read, kRows, depth));
  Floats row_scales(kRows, 1);
  const KernelTable::PackArgs pack = {.x = x.data(),
                                      .stride = kDepth,
                                      .rows = kRows,
                                      .depth = kDepth,
                                      .padded_depth = depth,
                                      .packed = activations.data(),
                                      .row_scales = row_scales.data(),
                                      .end_block = RowBlocks(kRows),
                                      .weights = format};
  (is_int8                          ? tier.pack_activations_int8
   : is_nvfp4                       ? tier.pack_activations_nvfp4
   : read == ActivationFormat::kF32 ? tier.pack_activations_f32
                                    : tier.pack_activations_bf16)(pack);
  Floats out(kRows * kColumns);
  tier.GemmOf(format, read)({.weights = weights,
                             .column_scales = scales.data(),
                             .activations = activations.data(),
                             .row_scales = row_scales.data(),
                             .out = out.data(),
                             .out_stride = kColumns,
                             .rows = kRows,
                             .depth = depth,
                             .columns = kColumns,
                             .end_panel = Panels(kColumns)});
  return out;
}

SelfTestResult Gemm(const KernelTable& tier, Formats formats, const char* name) {
  const WeightFormat format = formats.first;
  Packed weights(PackedBytes(format, kColumns, kDepth));
  PackWeights(format, weights.data());
  const Floats x = Numbers(kRows * kDepth, 3);
  // So that |weight| <= 1 in all formats.
  const float scale = format == WeightFormat::kE4M3    ? 1.0f / 448
                      : format == WeightFormat::kNvfp4 ? 1.0f / (6 * 448)
                      : format == WeightFormat::kInt8  ? 1.0f / 128
                                                       : 1.0f;
  const Floats scales(kColumns, scale);
  const Floats want = Multiply(*AvailableTiers().front(), formats, x, scales, weights.data());
  const double largest_norm = Norm(x.data(), x.size()) * std::sqrt(static_cast<double>(kDepth));
  return {name, Difference(Multiply(tier, formats, x, scales, weights.data()), want, largest_norm), kSumBound};
}

struct IntegerName {
  WeightFormat format;
  const char* with_int8;
  const char* with_bf16;
};
constexpr IntegerName kIntegers[] = {
    {WeightFormat::kInt8, "product INT8 x int8", "product INT8 x BF16"},
    {WeightFormat::kInt4Group32, "product INT4 by 32 x int8", "product INT4 by 32 x BF16"},
    {WeightFormat::kInt4Group64, "product INT4 by 64 x int8", "product INT4 by 64 x BF16"},
    {WeightFormat::kInt4Group128, "product INT4 by 128 x int8", "product INT4 by 128 x BF16"},
    {WeightFormat::kInt4Zeros32, "product INT4 by 32, zero points, x int8", "product INT4 by 32, zero points, x BF16"},
    {WeightFormat::kInt4Zeros64, "product INT4 by 64, zero points, x int8", "product INT4 by 64, zero points, x BF16"},
    {WeightFormat::kInt4Zeros128, "product INT4 by 128, zero points, x int8",
     "product INT4 by 128, zero points, x BF16"},
};

using Function = Floats (*)(const KernelTable& tier);

SelfTestResult Compare(const KernelTable& tier, const char* name, Function function) {
  const Floats want = function(*AvailableTiers().front());
  return {name, Difference(function(tier), want, Largest(want)), kFunctionBound};
}

Floats RmsNorm(const KernelTable& tier) {
  const Floats x = Numbers(kDepth, 4), weight = Numbers(kDepth, 5);
  Floats out(kDepth);
  tier.rms_norm(x.data(), weight.data(), 1.0f, 1e-5f, kDepth, out.data());
  return out;
}

Floats LayerNorm(const KernelTable& tier) {
  const Floats x = Numbers(kDepth, 4), weight = Numbers(kDepth, 5), bias = Numbers(kDepth, 6);
  Floats out(kDepth);
  tier.layer_norm(x.data(), weight.data(), bias.data(), 1e-12f, kDepth, out.data());
  return out;
}

Floats SiluMultiply(const KernelTable& tier) {
  Floats out = Numbers(kDepth, 6);
  for (float& value : out) value *= 20;
  const Floats up = Numbers(kDepth, 7);
  tier.silu_multiply(out.data(), up.data(), kDepth, out.data());
  return out;
}

Floats GeluMultiply(const KernelTable& tier) {
  Floats out = Numbers(kDepth, 6);
  for (float& value : out) value *= 5;
  const Floats up = Numbers(kDepth, 7);
  tier.gelu_tanh_multiply(out.data(), up.data(), kDepth, out.data());
  return out;
}

Floats Rope(const KernelTable& tier) {
  Floats x = Numbers(kHeadDim, 8);
  const Floats cosines = Numbers(kHeadDim / 2, 9), sines = Numbers(kHeadDim / 2, 10);
  tier.rope(cosines.data(), sines.data(), kHeadDim / 2, x.data());
  return x;
}

Floats Choose(const KernelTable& tier) {
  const Floats x = Numbers(kDepth, 11);
  return {static_cast<float>(tier.arg_max(x.data(), x.size())),
          static_cast<float>(tier.sum_exp(x.data(), 1.0f, 4.0f, x.size(), nullptr))};
}

// Two new tokens over 40 positions, two query heads on one key head.
template <CacheFormat format>
Floats Attend(const KernelTable& tier) {
  constexpr size_t kPositions = 40, kGroup = 2, kTokens = 2;
  const size_t value_offset = KeyBytes(format, kHeadDim);
  const size_t page_bytes = value_offset + ValueBytes(format, kHeadDim);
  Packed first(page_bytes), second(page_bytes);
  for (size_t position = 0; position < kPositions; ++position) {
    std::byte* page = (position < kPagePositions ? first : second).data();
    const Floats key = Numbers(kHeadDim, static_cast<uint32_t>(100 + position)),
                 value = Numbers(kHeadDim, static_cast<uint32_t>(200 + position));
    tier.store_cache[static_cast<size_t>(format)](key.data(), value.data(), kHeadDim, kHeadDim,
                                                  position % kPagePositions, page, page + value_offset);
  }
  const std::byte* const pages[] = {first.data(), second.data()};
  const Floats query = Numbers(kTokens * kGroup * kHeadDim, 12);
  Floats out(query.size());
  tier.attend[static_cast<size_t>(format)]({.query = query.data(),
                                            .query_token_stride = kGroup * kHeadDim,
                                            .tokens = kTokens,
                                            .group = kGroup,
                                            .first_position = kPositions - kTokens,
                                            .pages = pages,
                                            .value_offset = value_offset,
                                            .key_dim = kHeadDim,
                                            .value_dim = kHeadDim,
                                            .scale = 0.125f,
                                            .out = out.data(),
                                            .out_token_stride = kGroup * kHeadDim});
  return out;
}

// With rounded probabilities.
SelfTestResult Attention(const KernelTable& tier, const char* name, Function attend) {
  SelfTestResult result = Compare(tier, name, attend);
  result.bound = 0x1p-8;  // a probability on the edge between two BF16 values may round to either
  return result;
}

}  // namespace

std::vector<SelfTestResult> SelfTest(const KernelTable& tier) {
  std::vector<SelfTestResult> results = {
      Gemm(tier, {WeightFormat::kF32, ActivationFormat::kF32}, "product F32"),
      Gemm(tier, {WeightFormat::kBf16, ActivationFormat::kBf16}, "product BF16"),
      Gemm(tier, {WeightFormat::kE4M3, ActivationFormat::kBf16}, "product E4M3"),
      Gemm(tier, {WeightFormat::kE4M3Block, ActivationFormat::kBf16}, "product E4M3 in blocks"),
      Gemm(tier, {WeightFormat::kNvfp4, ActivationFormat::kBf16}, "product NVFP4"),
      Gemm(tier, {WeightFormat::kNvfp4, ActivationFormat::kInt8}, "product NVFP4 x int8"),
      Gemm(tier, {WeightFormat::kNvfp4, ActivationFormat::kNvfp4}, "product NVFP4 x NVFP4"),
      Compare(tier, "RMS norm", RmsNorm),
      Compare(tier, "layer norm", LayerNorm),
      Compare(tier, "SiLU", SiluMultiply),
      Compare(tier, "GELU", GeluMultiply),
      Compare(tier, "rotary embedding", Rope),
      Compare(tier, "choice and exponential sum", Choose),
      Compare(tier, "attention F32", Attend<CacheFormat::kF32>),
      Attention(tier, "attention BF16", Attend<CacheFormat::kBf16>),
      Attention(tier, "attention FP8", Attend<CacheFormat::kE4M3>),
      Attention(tier, "attention INT8", Attend<CacheFormat::kInt8>),
  };
  for (const IntegerName& integer : kIntegers) {
    results.push_back(Gemm(tier, {integer.format, ActivationFormat::kInt8}, integer.with_int8));
    results.push_back(Gemm(tier, {integer.format, ActivationFormat::kBf16}, integer.with_bf16));
  }
  return results;
}

}  // namespace octet::kernels
