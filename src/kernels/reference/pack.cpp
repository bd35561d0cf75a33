// Packing of activations. That of weights: kernels/pack_weights.cpp.
#include <algorithm>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"
#include "numeric/e2m1.h"
#include "numeric/int8.h"

namespace octet::kernels::reference {
namespace {

// Packs the called blocks; value(row, k) is the number that element (row, k) becomes.
template <ActivationFormat format, class Value>
void PackBlocks(const KernelTable::PackArgs& args, Value&& value) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block);
    const size_t block_rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* out = static_cast<std::byte*>(args.packed) + ActivationBytes(format, first_row, args.padded_depth);
    for (size_t row = 0; row < block_rows; ++row) {
      for (size_t k = 0; k < args.padded_depth; ++k) {
        const float x = k < args.depth ? value(first_row + row, k) : 0.0f;
        const size_t offset = ActivationOffset(format, block_rows, row, k);
        if constexpr (format == ActivationFormat::kF32) {
          StoreAs(out, offset, x);
        } else {
          StoreAs(out, offset, ToBf16(x));
        }
      }
    }
  }
}

// The largest magnitude; NaN where infinity or NaN is among them.
float FiniteAmax(const float* x, size_t count) {
  float amax = 0;
  bool is_finite = true;
  for (size_t k = 0; k < count; ++k) {
    amax = std::max(amax, std::fabs(x[k]));
    is_finite = is_finite && std::isfinite(x[k]);
  }
  return is_finite ? amax : std::numeric_limits<float>::quiet_NaN();
}

// The scale of a row's int8 codes; NaN where the row holds infinity or NaN.
float Int8Scale(const float* x, size_t depth) {
  const float scale = FiniteAmax(x, depth) / 127.0f;
  return scale < std::numeric_limits<float>::min() ? 1.0f : scale;
}

// One row of a block: codes in groups, the start value before each.
void PackInt8Row(const KernelTable::PackArgs& args, size_t row, size_t block_rows, size_t row_in_block,
                 std::byte* block) {
  const size_t groups = IntegerGroups(args.weights, args.padded_depth), group_depth = args.padded_depth / groups;
  const float* x = args.x + row * args.stride;
  const float inverse = std::isnan(args.row_scales[row]) ? 0.0f : 1.0f / args.row_scales[row];
  for (size_t group = 0; group < groups; ++group) {
    int32_t sum = 0;
    for (size_t k = group * group_depth; k < (group + 1) * group_depth; ++k) {
      const int8_t code = k < args.depth ? ToInt8(x[k] * inverse).code : int8_t{0};
      StoreAs(block, Int8Offset(group_depth, block_rows, row_in_block, Int8Place(args.weights, k)), code);
      sum += code;
    }
    StoreAs(block, StartOffset(group_depth, block_rows, row_in_block, group), -StoredZero(args.weights) * sum);
  }
}

// The scale of a row of NVFP4; NaN where the row holds infinity or NaN.
float Nvfp4RowScale(const KernelTable::PackArgs& args, size_t row) {
  const float scale = FiniteAmax(args.x + row * args.stride, args.depth) / (kE2M1Max * kE4M3Max);
  if (args.static_scale != 0 && !std::isnan(scale)) return args.static_scale;
  return scale < std::numeric_limits<float>::min() ? 1.0f : scale;
}

// One row of a block: start value and scale before the codes of each block of 16.
void PackNvfp4Row(const KernelTable::PackArgs& args, size_t row, size_t block_rows, size_t row_in_block,
                  std::byte* block) {
  constexpr size_t kWords = GroupWords(ActivationFormat::kNvfp4);
  const float* x = args.x + row * args.stride;
  const float row_scale = args.row_scales[row] = Nvfp4RowScale(args, row);
  const size_t depth = std::isnan(row_scale) ? 0 : args.depth;
  const float divisor = std::isnan(row_scale) ? 1.0f : row_scale;
  for (size_t begin = 0; begin < args.padded_depth; begin += kNvfp4Block) {
    const size_t end = std::min(begin + kNvfp4Block, depth);
    const float amax = begin < end ? FiniteAmax(x + begin, end - begin) : 0.0f;
    const float scale = std::max(ToFloat(ToE4M3(amax / kE2M1Max / divisor)), kE4M3MinSubnormal);
    int32_t sum = 0;
    for (size_t k = begin; k < begin + kNvfp4Block; ++k) {
      const float value = k < end ? ToFloat(ToE2M1(x[k] / (scale * divisor))) : 0.0f;
      const auto code = static_cast<int8_t>(2 * value);
      StoreAs(block, Int8Offset(kNvfp4Block, block_rows, row_in_block, Int8Place(args.weights, k), kWords), code);
      sum += code;
    }
    const size_t start = StartOffset(kNvfp4Block, block_rows, row_in_block, begin / kNvfp4Block, kWords);
    StoreAs(block, start, -StoredZero(args.weights) * sum);
    StoreAs(block, start + 4 * block_rows, scale);
  }
}

}  // namespace

void PackActivationsF32(const KernelTable::PackArgs& args) {
  PackBlocks<ActivationFormat::kF32>(args, [&](size_t row, size_t k) { return args.x[row * args.stride + k]; });
}

void PackActivationsBf16(const KernelTable::PackArgs& args) {
  PackBlocks<ActivationFormat::kBf16>(args, [&](size_t row, size_t k) { return args.x[row * args.stride + k]; });
}

void PackActivationsE4M3(const KernelTable::PackArgs& args) {
  const size_t end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    float amax = 0;
    for (size_t k = 0; k < args.depth; ++k) amax = std::max(amax, std::fabs(args.x[row * args.stride + k]));
    // Of a row of zeros and denormals even the scale can be zero, and 0 / 0 isn't a number.
    const float scale = amax / 448.0f;
    args.row_scales[row] = scale == 0 ? 1.0f : scale;
  }
  PackBlocks<ActivationFormat::kBf16>(args, [&](size_t row, size_t k) {
    return ToFloat(ToE4M3(args.x[row * args.stride + k] / args.row_scales[row]));
  });
}

void PackActivationsE4M3Blocks(const KernelTable::PackArgs& args) {
  const size_t blocks = Fp8Blocks(args.depth), end_row = RowBlockBegin(args.rows, args.end_block);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < end_row; ++row) {
    for (size_t block = 0; block < blocks; ++block) {
      float amax = 0;
      for (size_t k = block * kFp8Block; k < std::min((block + 1) * kFp8Block, args.depth); ++k)
        amax = std::max(amax, std::fabs(args.x[row * args.stride + k]));
      const float scale = amax / 448.0f;
      args.block_scales[row * blocks + block] = scale < std::numeric_limits<float>::min() ? 1.0f : scale;
    }
  }
  PackBlocks<ActivationFormat::kBf16>(args, [&](size_t row, size_t k) {
    return ToFloat(ToE4M3(args.x[row * args.stride + k] / args.block_scales[row * blocks + k / kFp8Block]));
  });
}

void PackActivationsInt8(const KernelTable::PackArgs& args) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block);
    const size_t block_rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* out =
        static_cast<std::byte*>(args.packed) + Int8ActivationBytes(args.weights, first_row, args.padded_depth);
    for (size_t r = 0; r < block_rows; ++r) {
      const size_t row = first_row + r;
      args.row_scales[row] = Int8Scale(args.x + row * args.stride, args.depth);
      PackInt8Row(args, row, block_rows, r, out);
    }
  }
}

void PackActivationsNvfp4(const KernelTable::PackArgs& args) {
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first_row = RowBlockBegin(args.rows, block);
    const size_t block_rows = RowBlockBegin(args.rows, block + 1) - first_row;
    std::byte* out = static_cast<std::byte*>(args.packed) +
                     CodedActivationBytes(ActivationFormat::kNvfp4, args.weights, first_row, args.padded_depth);
    for (size_t row = 0; row < block_rows; ++row) PackNvfp4Row(args, first_row + row, block_rows, row, out);
  }
}

}  // namespace octet::kernels::reference
