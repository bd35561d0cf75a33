#include "tests/kernels/tile_twin.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/reference/elements.h"
#include "numeric/bf16.h"
#include "numeric/fp8.h"

namespace octet::kernels {
namespace {

struct TileRegister {
  size_t rows = 0, row_bytes = 64;
  std::byte bytes[16][64] = {};
};
thread_local TileRegister tile_registers[8];

// Denormals count as zeros of their sign.
float Flush(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }

class TileSession {
 public:
  ~TileSession() {
    for (TileRegister& tile : tile_registers) tile = {};
  }
  // Setting tiles up clears them.
  void Rows(size_t count, size_t bytes = 64) {
    if (count == rows_ && bytes == bytes_) return;
    rows_ = count;
    bytes_ = bytes;
    const size_t upper = std::min<size_t>(count, 16), lower = count - upper;
    const size_t rows[8] = {upper, upper, lower, lower, upper, lower, bytes / 4, bytes / 4};
    for (size_t i = 0; i < 8; ++i) tile_registers[i] = {.rows = rows[i], .row_bytes = i == 4 || i == 5 ? bytes : 64};
  }

 private:
  size_t rows_ = 0, bytes_ = 0;
};

template <int tile>
void ZeroTile() {
  std::memset(tile_registers[tile].bytes, 0, sizeof tile_registers[tile].bytes);
}
template <int tile>
void LoadTile(const void* from, size_t stride) {
  for (size_t row = 0; row < tile_registers[tile].rows; ++row)
    std::memcpy(tile_registers[tile].bytes[row], static_cast<const std::byte*>(from) + row * stride,
                tile_registers[tile].row_bytes);
}
template <int tile>
void StoreTile(void* to, size_t stride) {
  for (size_t row = 0; row < tile_registers[tile].rows; ++row)
    std::memcpy(static_cast<std::byte*>(to) + row * stride, tile_registers[tile].bytes[row], 64);
}

template <class T>
T At(const TileRegister& tile, size_t row, size_t index) {
  T out;
  std::memcpy(&out, tile.bytes[row] + index * sizeof(T), sizeof(T));
  return out;
}

// TDPBF16PS (Intel SDM): a chain of FMAs over the even elements, one over the odd ones, their sum joins the old one.
template <int sum, int a, int b>
void MultiplyBf16Tiles() {
  for (size_t row = 0; row < tile_registers[sum].rows; ++row) {
    for (size_t column = 0; column < 16; ++column) {
      float chains[2] = {};
      for (size_t k = 0; k < 32; ++k) {
        const float x = Flush(ToFloat(At<Bf16>(tile_registers[a], row, k)));
        const float w = Flush(ToFloat(At<Bf16>(tile_registers[b], k / 2, 2 * column + k % 2)));
        chains[k % 2] = Flush(std::fma(x, w, chains[k % 2]));
      }
      const float total = Flush(Flush(At<float>(tile_registers[sum], row, column)) + Flush(chains[0] + chains[1]));
      std::memcpy(tile_registers[sum].bytes[row] + 4 * column, &total, 4);
    }
  }
}

// TDPBSUD: sums of the products of signed and unsigned bytes.
template <int sum, int a, int b>
void MultiplyInt8Tiles() {
  for (size_t row = 0; row < tile_registers[sum].rows; ++row) {
    for (size_t column = 0; column < 16; ++column) {
      auto total = At<int32_t>(tile_registers[sum], row, column);
      for (size_t k = 0; k < tile_registers[a].row_bytes; ++k) {
        total += At<int8_t>(tile_registers[a], row, k) * At<uint8_t>(tile_registers[b], k / 4, 4 * column + k % 4);
      }
      std::memcpy(tile_registers[sum].bytes[row] + 4 * column, &total, 4);
    }
  }
}

// Unsigned codes of a panel, their zero points taken off and 128 added, as records of INT8; the groups' scales.
template <WeightFormat format>
void DecodeInt4(const std::byte* from, size_t depth, std::byte* codes, float* scales) {
  for (size_t column = 0; column < kPanelColumns; ++column) {
    for (size_t k = 0; k < depth; ++k) {
      const auto pair = std::to_integer<int>(from[PackedOffset(format, depth, column, k)]);
      int code = k % 8 < 4 ? pair & 15 : pair >> 4;
      if (HasZeros(format)) code += 128 - std::to_integer<int>(from[PackedZeroOffset(format, depth, column, k)]);
      codes[PackedOffset(WeightFormat::kInt8, depth, column, k)] = static_cast<std::byte>(code);
      Fp16 scale;
      std::memcpy(&scale, from + PackedScaleOffset(format, depth, column, k), 2);
      scales[k / Int4Group(format) * kPanelColumns + column] = ToFloat(scale);
    }
  }
}

// Elements of a record and of those of BF16 stand where layout.h says.
template <WeightFormat format>
void DecodeToBf16(const std::byte* from, std::byte* to) {
  for (size_t column = 0; column < kPanelColumns; ++column) {
    for (size_t k = 0; k < RecordDepth(format); ++k) {
      const Bf16 value = ToBf16(reference::WeightAt<format>(from, RecordDepth(format), column, k));
      std::memcpy(to + PackedOffset(WeightFormat::kBf16, RecordDepth(format), column, k), &value, 2);
    }
  }
}

// FinishBlock of gemm.inl in plain loops.
void FinishBlock(const GemmArgs& args, size_t panel, size_t first_row, size_t rows, const float* sums) {
  const size_t first = panel * kPanelColumns, columns = std::min(args.columns - first, kPanelColumns);
  for (size_t row = first_row; row < first_row + rows; ++row, sums += kPanelColumns) {
    for (size_t i = 0; i < columns; ++i) {
      float x = sums[i];
      if (args.column_scales != nullptr) x *= args.column_scales[first + i];
      if (args.row_scales != nullptr) x *= args.row_scales[row];
      if (args.bias != nullptr) x += args.bias[first + i];
      args.out[row * args.out_stride + first + i] = x;
    }
  }
}

// In the order of what needs what.
// clang-format off
#include "kernels/generic/operands.inl"
#include "kernels/generic/gemm_tiles.inl"
#include "kernels/generic/gemm_int8_tiles.inl"
// clang-format on

template <class Code>
void PackRows(const KernelTable::PackArgs& args, Code&& code) {
  const size_t whole = args.padded_depth / kTileDepth * kTileDepth;
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < RowBlockBegin(args.rows, args.end_block); ++row) {
    const TiledRow to = FindTiledRow(args, row);
    for (size_t k = 0; k < args.padded_depth; ++k) {
      const Bf16 value = k < args.depth ? code(row, args.x[row * args.stride + k]) : Bf16{};
      std::byte* at =
          k < whole ? to.tiles + k / kTileDepth * kTileDepth * to.step + k % kTileDepth * 2 : to.rest + (k - whole) * 2;
      std::memcpy(at, &value, 2);
    }
  }
}

void PackBf16(const KernelTable::PackArgs& args) {
  if (Int4Group(args.weights) != 0) return AvailableTiers().front()->pack_activations_bf16(args);
  PackRows(args, [](size_t, float x) { return ToBf16(x); });
}

// The reference's codes times the scales of their blocks.
void PackNvfp4(const KernelTable::PackArgs& args) {
  constexpr size_t kWords = GroupWords(ActivationFormat::kNvfp4);
  std::vector<std::byte> blocks(ActivationBytes(ActivationFormat::kNvfp4, args.rows, args.padded_depth));
  KernelTable::PackArgs in_blocks = args;
  in_blocks.packed = blocks.data();
  AvailableTiers().front()->pack_activations_nvfp4(in_blocks);
  std::vector<float> rounded(args.rows * args.padded_depth);
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first;
    const std::byte* from =
        blocks.data() + CodedActivationBytes(ActivationFormat::kNvfp4, args.weights, first, args.padded_depth);
    for (size_t row = 0; row < rows; ++row) {
      for (size_t k = 0; k < args.padded_depth; ++k) {
        const size_t start = reference::StartOffset(kNvfp4Block, rows, row, k / kNvfp4Block, kWords);
        const size_t code = reference::Int8Offset(kNvfp4Block, rows, row, Int8Place(args.weights, k), kWords);
        rounded[(first + row) * args.padded_depth + k] = static_cast<float>(reference::LoadAs<int8_t>(from, code)) / 2 *
                                                         reference::LoadAs<float>(from, start + 4 * rows);
      }
    }
  }
  in_blocks.packed = args.packed;
  in_blocks.x = rounded.data();
  in_blocks.stride = in_blocks.depth = args.padded_depth;
  PackRows(in_blocks, [](size_t, float x) { return ToBf16(x); });
}

void PackE4M3(const KernelTable::PackArgs& args) {
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < RowBlockBegin(args.rows, args.end_block); ++row) {
    float greatest = 0;
    for (size_t k = 0; k < args.depth; ++k) greatest = std::max(greatest, std::fabs(args.x[row * args.stride + k]));
    args.row_scales[row] = greatest / 448 == 0 ? 1 : greatest / 448;
  }
  PackRows(args, [&](size_t row, float x) { return ToBf16(ToFloat(ToE4M3(x / args.row_scales[row]))); });
}

template <WeightFormat format>
void GemmInt8(const GemmArgs& args) {
  args.rows <= kRowBlock ? AvailableTiers().front()->gemm_int8[Int8Index(format)](args) : GemmInt8Tiles<format>(args);
}

// The reference's codes and start values, each at its place before the tiles.
void PackInt8(const KernelTable::PackArgs& args) {
  const KernelTable& reference = *AvailableTiers().front();
  if (args.rows <= kRowBlock || !IsInteger(args.weights)) return reference.pack_activations_int8(args);
  std::vector<std::byte> blocks(Int8ActivationBytes(args.weights, args.rows, args.padded_depth));
  KernelTable::PackArgs in_blocks = args;
  in_blocks.packed = blocks.data();
  reference.pack_activations_int8(in_blocks);
  const size_t groups = IntegerGroups(args.weights, args.padded_depth), group_depth = args.padded_depth / groups;
  const size_t whole = args.padded_depth / kInt8TileDepth * kInt8TileDepth;
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first;
    const std::byte* from = blocks.data() + Int8ActivationBytes(args.weights, first, args.padded_depth);
    for (size_t row = 0; row < rows; ++row) {
      const TiledInt8Row to = FindTiledInt8Row(args, first + row);
      for (size_t group = 0; group < groups; ++group) {
        std::memcpy(to.start + group * to.start_step, from + reference::StartOffset(group_depth, rows, row, group), 4);
      }
      for (size_t k = 0; k < args.padded_depth; ++k) {
        std::byte* at = k < whole
                            ? to.codes.tiles + k / kInt8TileDepth * kInt8TileDepth * to.codes.step + k % kInt8TileDepth
                            : to.codes.rest + (k - whole);
        *at = from[reference::Int8Offset(group_depth, rows, row, k)];
      }
    }
  }
}

}  // namespace

const KernelTable& TileTwin() {
  static const KernelTable twin = [] {
    KernelTable out = *AvailableTiers().front();
    out.name = "tile_twin";
    out.gemm[static_cast<size_t>(WeightFormat::kBf16)] = GemmTiles<WeightFormat::kBf16>;
    out.gemm[static_cast<size_t>(WeightFormat::kE4M3)] = GemmTiles<WeightFormat::kE4M3>;
    out.gemm[static_cast<size_t>(WeightFormat::kNvfp4)] = GemmTiles<WeightFormat::kNvfp4>;
    out.gemm[static_cast<size_t>(WeightFormat::kInt8)] = GemmTiles<WeightFormat::kInt8>;
    out.gemm_int8[Int8Index(WeightFormat::kInt8)] = GemmInt8<WeightFormat::kInt8>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Group32)] = GemmInt8<WeightFormat::kInt4Group32>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Group64)] = GemmInt8<WeightFormat::kInt4Group64>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Group128)] = GemmInt8<WeightFormat::kInt4Group128>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Zeros32)] = GemmInt8<WeightFormat::kInt4Zeros32>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Zeros64)] = GemmInt8<WeightFormat::kInt4Zeros64>;
    out.gemm_int8[Int8Index(WeightFormat::kInt4Zeros128)] = GemmInt8<WeightFormat::kInt4Zeros128>;
    out.gemm_nvfp4 = GemmTiles<WeightFormat::kNvfp4>;
    out.pack_activations_int8 = PackInt8;
    out.pack_activations_nvfp4 = PackNvfp4;
    out.pack_activations_bf16 = PackBf16;
    out.pack_activations_e4m3 = PackE4M3;
    return out;
  }();
  return twin;
}

}  // namespace octet::kernels
