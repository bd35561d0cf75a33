// A product with everything it needs, for the tests of GEMM.
#pragma once

#include <algorithm>

#include "numeric/e2m1.h"
#include "tests/kernels/testing.h"

namespace octet::kernels {

inline constexpr WeightFormat kAllFormats[] = {
    WeightFormat::kF32,          WeightFormat::kBf16,        WeightFormat::kE4M3,        WeightFormat::kE4M3Block,
    WeightFormat::kNvfp4,        WeightFormat::kInt8,        WeightFormat::kInt4Group32, WeightFormat::kInt4Group64,
    WeightFormat::kInt4Group128, WeightFormat::kInt4Zeros32, WeightFormat::kInt4Zeros64, WeightFormat::kInt4Zeros128};
inline constexpr const char* kFormatNames[] = {"F32",      "BF16",         "E4M3",         "E4M3/128",
                                               "NVFP4",    "INT8",         "INT4/32",      "INT4/64",
                                               "INT4/128", "INT4 zero/32", "INT4 zero/64", "INT4 zero/128"};

// Codes -limit - 1 .. limit.
inline std::vector<int8_t> RandomIntegers(size_t count, uint32_t seed, int limit) {
  std::mt19937 generator(seed);
  std::vector<int8_t> out(count);
  for (int8_t& code : out) code = static_cast<int8_t>(int(generator() % unsigned(2 * limit + 2)) - limit - 1);
  return out;
}

// Random weights of a format: their values, and packed.
struct Weights {
  Weights(WeightFormat weight_format, size_t column_count, size_t depth_count)
      : format(weight_format),
        columns(column_count),
        depth(depth_count),
        values(RandomFloats(columns * depth, 4)),
        packed(PackedBytes(format, columns, depth)) {
    if (format == WeightFormat::kBf16) {
      for (float& w : values) w = ToFloat(ToBf16(w));
    }
    codes = RandomCodes(values.size(), 5);
    if (format == WeightFormat::kE4M3) {
      for (size_t i = 0; i < codes.size(); ++i) values[i] = ToFloat(E4M3{codes[i]});
    }
    if (format == WeightFormat::kE4M3Block) DrawFp8Blocks();
    if (format == WeightFormat::kNvfp4) DrawBlocks();
    if (IsInteger(format)) DrawIntegers();
    Pack();
  }

  // Scales of any sign and size.
  void DrawFp8Blocks() {
    const size_t blocks = Fp8Blocks(depth);
    for (const float x : RandomFloats(columns * blocks, 9)) fp8_scales.push_back(std::fabs(x) < 0.05f ? x * 1e-6f : x);
    for (size_t i = 0; i < codes.size(); ++i)
      values[i] = ToFloat(E4M3{codes[i]}) * fp8_scales[i / depth * blocks + i % depth / kFp8Block];
  }

  // E2M1 codes and E4M3 scales of any size.
  void DrawBlocks() {
    const size_t blocks = (depth + kNvfp4Block - 1) / kNvfp4Block;
    for (uint8_t& code : codes) code &= 15;
    block_scales = RandomCodes(columns * blocks, 9);
    for (uint8_t& scale : block_scales) scale &= 0x7F;
    for (size_t i = 0; i < codes.size(); ++i)
      values[i] = ToFloat(E2M1{codes[i]}) * ToFloat(E4M3{block_scales[i / depth * blocks + i % depth / kNvfp4Block]});
  }

  void DrawIntegers() {
    integers = RandomIntegers(values.size(), 6, format == WeightFormat::kInt8 ? 127 : 7);
    const size_t group = Int4Group(format), groups = IntegerGroups(format, PaddedDepth(format, depth));
    if (HasZeros(format)) {
      // Codes of 0 .. 15 less zero points of that range, and now and then the largest.
      group_zeros = RandomCodes(columns * groups, 8);
      for (uint8_t& zero : group_zeros) zero = zero > 250 ? 128 : zero % 16;
      for (size_t i = 0; i < integers.size(); ++i) integers[i] = static_cast<int8_t>(integers[i] + 8 - ZeroOf(i));
    }
    for (size_t i = 0; i < integers.size(); ++i) values[i] = integers[i];
    if (format == WeightFormat::kInt8) return;
    // From denormals of FP16 to large numbers.
    for (const float x : RandomFloats(columns * groups, 7))
      group_scales.push_back(ToFp16(std::fabs(x) < 0.05f ? x * 1e-6f : x));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= ToFloat(group_scales[i / depth * groups + i % depth / group]);
  }

  // Of the group of element i.
  int ZeroOf(size_t i) const {
    const size_t groups = IntegerGroups(format, PaddedDepth(format, depth));
    return group_zeros[i / depth * groups + i % depth / Int4Group(format)];
  }

  void PackInt4() {
    if (!HasZeros(format))
      return PackWeightsInt4(format, integers.data(), group_scales.data(), columns, depth, packed.data());
    for (size_t i = 0; i < integers.size(); ++i) codes[i] = static_cast<uint8_t>(integers[i] + ZeroOf(i));
    PackWeightsInt4Zeros({format, codes.data(), group_scales.data(), group_zeros.data()}, columns, depth,
                         packed.data());
  }

  void Pack() {
    if (format == WeightFormat::kF32) PackWeightsF32(values.data(), columns, depth, packed.data());
    if (format == WeightFormat::kBf16) PackWeightsBf16(values.data(), columns, depth, packed.data());
    if (format == WeightFormat::kE4M3) PackWeightsE4M3(codes.data(), columns, depth, packed.data());
    if (format == WeightFormat::kE4M3Block)
      PackWeightsE4M3Block(codes.data(), fp8_scales.data(), columns, depth, packed.data());
    if (format == WeightFormat::kNvfp4)
      PackWeightsNvfp4(codes.data(), block_scales.data(), columns, depth, packed.data());
    if (format == WeightFormat::kInt8) PackWeightsInt8(integers.data(), columns, depth, packed.data());
    if (Int4Group(format) != 0) PackInt4();
  }

  WeightFormat format;
  size_t columns, depth;
  std::vector<float> values;
  std::vector<uint8_t> codes, block_scales;
  std::vector<float> fp8_scales;
  std::vector<int8_t> integers;
  std::vector<Fp16> group_scales;
  std::vector<uint8_t> group_zeros;
  Bytes packed;
};

// Random operands; the activations are packed by `tier`.
struct Product : Weights {
  Product(const KernelTable& kernels, WeightFormat weight_format, size_t row_count, size_t column_count,
          size_t depth_count)
      : Product(kernels, weight_format, ActivationsOf(weight_format), row_count, column_count, depth_count) {}

  Product(const KernelTable& kernels, WeightFormat weight_format, ActivationFormat activation_format, size_t row_count,
          size_t column_count, size_t depth_count)
      : Weights(weight_format, column_count, depth_count),
        tier(&kernels),
        activations(activation_format),
        rows(row_count),
        x(RandomFloats(rows * depth, 1)),
        scales(RandomFloats(columns, 2)),
        bias(RandomFloats(columns, 3)),
        out(rows * columns, -1) {}

  // Rows first .. first + count - 1 as a batch of their own.
  void Run(size_t first, size_t count, size_t first_panel, size_t end_panel) {
    const size_t padded = PaddedDepth(format, depth);
    const bool is_int8 = activations == ActivationFormat::kInt8, is_nvfp4 = activations == ActivationFormat::kNvfp4;
    Bytes activation_bytes(is_int8 ? Int8ActivationBytes(format, count, padded)
                                   : ActivationBytes(activations, count, padded));
    std::vector<float> row_scales(count), row_block_scales(count * Fp8Blocks(depth));
    const KernelTable::PackArgs pack{.x = x.data() + first * depth,
                                     .stride = depth,
                                     .rows = count,
                                     .depth = depth,
                                     .padded_depth = padded,
                                     .packed = activation_bytes.data(),
                                     .row_scales = row_scales.data(),
                                     .block_scales = row_block_scales.data(),
                                     .static_scale = static_scale,
                                     .end_block = RowBlocks(count),
                                     .weights = format};
    (is_int8                                 ? tier->pack_activations_int8
     : is_nvfp4                              ? tier->pack_activations_nvfp4
     : rounds_blocks                         ? tier->pack_activations_e4m3_blocks
     : activations == ActivationFormat::kF32 ? tier->pack_activations_f32
                                             : tier->pack_activations_bf16)(pack);
    tier->GemmOf(format, activations)({.weights = packed.data(),
                                       .column_scales = scales.data(),
                                       .bias = bias.empty() ? nullptr : bias.data(),
                                       .activations = activation_bytes.data(),
                                       .row_scales = is_int8 || is_nvfp4 ? row_scales.data() : nullptr,
                                       .block_scales = rounds_blocks ? row_block_scales.data() : nullptr,
                                       .out = out.data() + first * columns,
                                       .out_stride = columns,
                                       .rows = count,
                                       .depth = padded,
                                       .columns = columns,
                                       .first_panel = first_panel,
                                       .end_panel = end_panel});
  }
  void Run() { Run(0, rows, 0, Panels(columns)); }

  // |got - want| allowed for an element by the norms of its row and column: depth roundings of the sum, and five after
  // it.
  double Bound(size_t row, size_t column) const {
    const std::vector<double> activation = Activations(row);
    double products = 0;
    for (size_t k = 0; k < depth; ++k) products += std::fabs(activation[k] * values[column * depth + k]);
    return kFloatEps * (products * std::fabs(scales[column]) * (double(depth) + 5) + std::fabs(bias[column])) * 1.01;
  }
  double Exact(size_t row, size_t column) const {
    const std::vector<double> activation = Activations(row);
    double sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += activation[k] * values[column * depth + k];
    return sum * scales[column] + bias[column];
  }
  // What a row is rounded to before the product.
  std::vector<double> Activations(size_t row) const {
    std::vector<double> out_row(x.begin() + long(row * depth), x.begin() + long((row + 1) * depth));
    if (activations == ActivationFormat::kF32) return out_row;
    if (rounds_blocks) {
      for (size_t begin = 0; begin < depth; begin += kFp8Block) RoundBlock(out_row, begin);
      return out_row;
    }
    float amax = 0;
    for (const double value : out_row) amax = std::max(amax, static_cast<float>(std::fabs(value)));
    const float scale = amax / 127;
    for (double& value : out_row) {
      const auto single = static_cast<float>(value);
      value = activations == ActivationFormat::kBf16 ? double{ToFloat(ToBf16(single))}
                                                     : double{std::nearbyint(single * (1 / scale))} * scale;
    }
    return out_row;
  }

  static void RoundBlock(std::vector<double>& row, size_t begin) {
    const size_t end = std::min(begin + kFp8Block, row.size());
    double amax = 0;
    for (size_t k = begin; k < end; ++k) amax = std::max(amax, std::fabs(row[k]));
    const float scale = static_cast<float>(amax) / 448;
    for (size_t k = begin; k < end; ++k)
      row[k] = double{ToFloat(ToE4M3(static_cast<float>(row[k]) / scale))} * double{scale};
  }

  const KernelTable* tier;  // of the next run
  ActivationFormat activations;
  bool rounds_blocks = false;  // activations to E4M3, of weights in E4M3 blocks
  float static_scale = 0;      // of NVFP4 activations
  size_t rows;
  std::vector<float> x, scales, bias;
  std::vector<float> out;
};

}  // namespace octet::kernels
