// Packing of activations. That of weights: kernels/pack_weights.cpp.
#include <algorithm>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels {
namespace reference {
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

}  // namespace reference
}  // namespace octet::kernels
