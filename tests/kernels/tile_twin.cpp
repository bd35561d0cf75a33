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
  size_t rows = 0;
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
  void Rows(size_t count) {
    if (count == rows_) return;
    rows_ = count;
    const size_t upper = std::min<size_t>(count, 16), lower = count - upper;
    const size_t rows[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
    for (size_t i = 0; i < 8; ++i) tile_registers[i] = {.rows = rows[i]};
  }

 private:
  size_t rows_ = 0;
};

template <int tile>
void ZeroTile() {
  std::memset(tile_registers[tile].bytes, 0, sizeof tile_registers[tile].bytes);
}
template <int tile>
void LoadTile(const void* from, size_t stride) {
  for (size_t row = 0; row < tile_registers[tile].rows; ++row)
    std::memcpy(tile_registers[tile].bytes[row], static_cast<const std::byte*>(from) + row * stride, 64);
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

// TDPBSUD: sums of the products of signed and unsigned bytes, which wrap.
template <int sum, int a, int b>
void MultiplyInt8Tiles() {
  for (size_t row = 0; row < tile_registers[sum].rows; ++row) {
    for (size_t column = 0; column < 16; ++column) {
      auto total = At<uint32_t>(tile_registers[sum], row, column);
      for (size_t k = 0; k < 64; ++k) {
        const int code = At<uint8_t>(tile_registers[b], k / 4, 4 * column + k % 4);
        total += static_cast<uint32_t>(At<int8_t>(tile_registers[a], row, k) * code);
      }
      std::memcpy(tile_registers[sum].bytes[row] + 4 * column, &total, 4);
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

// The processor's mode is no matter to plain loops that say where denormals are zeros.
struct DenormalsAreZero {
  DenormalsAreZero() {}
};

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
// clang-format on

// AddBlock of gemm_blocks.inl in plain loops.
void AddBlock(const GemmArgs& args, const BlockPlace& place, const float* scales, const float* chains, float* sums) {
  const size_t blocks = Fp8Blocks(args.depth);
  for (size_t row = 0; row < place.rows; ++row) {
    for (size_t column = 0; column < kPanelColumns; ++column) {
      float scale = Flush(scales[column]);
      if (args.block_scales != nullptr)
        scale = Flush(scale * Flush(args.block_scales[(place.first_row + row) * blocks + place.k / kFp8Block]));
      float& sum = sums[row * kPanelColumns + column];
      sum = Flush(std::fma(Flush(chains[row * kPanelColumns + column]), scale, Flush(sum)));
    }
  }
}

// In the order of what needs what.
// clang-format off
#include "kernels/generic/gemm_tiles.inl"
#include "kernels/generic/gemm_int8_tiles.inl"
// clang-format on

template <CacheFormat format>
struct CacheDecoder {};

// Four k of a page's codes as two records of BF16.
template <CacheFormat format>
void DecodeRecord(CacheDecoder<format>, const std::byte* from, std::byte* to) {
  for (size_t column = 0; column < kPanelColumns; ++column) {
    for (size_t k = 0; k < 4; ++k) {
      const auto code = static_cast<uint8_t>(from[PackedOffset(WeightFormat::kE4M3, 4, column, k)]);
      const float magnitude = code & 0x7F, integer = code & 0x80 ? -magnitude : magnitude;
      const Bf16 value = ToBf16(format == CacheFormat::kInt8 ? integer : ToFloat(E4M3{code}));
      std::memcpy(to + PackedOffset(WeightFormat::kBf16, 4, column, k), &value, 2);
    }
  }
}

#include "kernels/generic/attention_tiles.inl"

template <class Code>
void PackRows(const KernelTable::PackArgs& args, Code&& code) {
  const size_t whole = args.padded_depth / kTileDepth * kTileDepth;
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < RowBlockBegin(args.rows, args.end_block); ++row) {
    const TiledRow to = FindTiledRow(args, row);
    for (size_t k = 0; k < args.padded_depth; ++k) {
      const Bf16 value = k < args.depth ? code(row, k, args.x[row * args.stride + k]) : Bf16{};
      std::byte* at =
          k < whole ? to.tiles + k / kTileDepth * kTileDepth * to.step + k % kTileDepth * 2 : to.rest + (k - whole) * 2;
      std::memcpy(at, &value, 2);
    }
  }
}

void TwinPackBf16(const KernelTable::PackArgs& args) {
  if (Int4Group(args.weights) != 0) return AvailableTiers().front()->pack_activations_bf16(args);
  PackRows(args, [](size_t, size_t, float x) { return ToBf16(x); });
}

// The reference's codes times the scales of their blocks.
void TwinPackNvfp4(const KernelTable::PackArgs& args) {
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
  PackRows(in_blocks, [](size_t, size_t, float x) { return ToBf16(x); });
}

void TwinPackE4M3(const KernelTable::PackArgs& args) {
  if (Int4Group(args.weights) != 0) return AvailableTiers().front()->pack_activations_e4m3(args);
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < RowBlockBegin(args.rows, args.end_block); ++row) {
    float greatest = 0;
    for (size_t k = 0; k < args.depth; ++k) greatest = std::max(greatest, std::fabs(args.x[row * args.stride + k]));
    args.row_scales[row] = greatest / 448 == 0 ? 1 : greatest / 448;
  }
  PackRows(args, [&](size_t row, size_t, float x) { return ToBf16(ToFloat(ToE4M3(x / args.row_scales[row]))); });
}

// The reference's scales; its packed codes go nowhere.
void TwinPackE4M3Blocks(const KernelTable::PackArgs& args) {
  std::vector<std::byte> blocks(ActivationBytes(ActivationFormat::kBf16, args.rows, args.padded_depth));
  KernelTable::PackArgs in_blocks = args;
  in_blocks.packed = blocks.data();
  AvailableTiers().front()->pack_activations_e4m3_blocks(in_blocks);
  PackRows(args, [&](size_t row, size_t k, float x) {
    return ToBf16(ToFloat(ToE4M3(x / args.block_scales[row * Fp8Blocks(args.depth) + k / kFp8Block])));
  });
}

bool IsTiledInt8(WeightFormat weights, size_t rows) { return weights == WeightFormat::kInt8 && rows > kRowBlock; }

void TwinGemmInt8(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kInt8;
  IsTiledInt8(kFormat, args.rows) ? GemmInt8Tiles(args) : AvailableTiers().front()->gemm_int8[Int8Index(kFormat)](args);
}

// The reference's codes and start values, each at its place before the tiles.
void TwinPackInt8(const KernelTable::PackArgs& args) {
  const KernelTable& reference = *AvailableTiers().front();
  if (!IsTiledInt8(args.weights, args.rows)) return reference.pack_activations_int8(args);
  std::vector<std::byte> blocks(Int8ActivationBytes(args.weights, args.rows, args.padded_depth));
  KernelTable::PackArgs in_blocks = args;
  in_blocks.packed = blocks.data();
  reference.pack_activations_int8(in_blocks);
  const size_t depth = args.padded_depth, whole = depth / kInt8TileDepth * kInt8TileDepth;
  for (size_t block = args.first_block; block < args.end_block; ++block) {
    const size_t first = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first;
    const std::byte* from = blocks.data() + Int8ActivationBytes(args.weights, first, depth);
    for (size_t row = 0; row < rows; ++row) {
      const TiledInt8Row to = FindTiledInt8Row(args, first + row);
      std::memcpy(to.start, from + reference::StartOffset(depth, rows, row, 0), 4);
      for (size_t k = 0; k < depth; ++k) {
        std::byte* at = k < whole
                            ? to.codes.tiles + k / kInt8TileDepth * kInt8TileDepth * to.codes.step + k % kInt8TileDepth
                            : to.codes.rest + (k - whole);
        *at = from[reference::Int8Offset(depth, rows, row, k)];
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
    out.gemm[static_cast<size_t>(WeightFormat::kE4M3Block)] = GemmTiles<WeightFormat::kE4M3Block>;
    out.gemm[static_cast<size_t>(WeightFormat::kNvfp4)] = GemmTiles<WeightFormat::kNvfp4>;
    out.gemm[static_cast<size_t>(WeightFormat::kInt8)] = GemmTiles<WeightFormat::kInt8>;
    out.gemm_int8[Int8Index(WeightFormat::kInt8)] = TwinGemmInt8;
    out.gemm_nvfp4 = GemmTiles<WeightFormat::kNvfp4>;
    out.pack_activations_int8 = TwinPackInt8;
    out.pack_activations_nvfp4 = TwinPackNvfp4;
    out.pack_activations_bf16 = TwinPackBf16;
    out.pack_activations_e4m3 = TwinPackE4M3;
    out.pack_activations_e4m3_blocks = TwinPackE4M3Blocks;
    return out;
  }();
  return twin;
}

void AddTwinCacheProducts(CacheFormat format, size_t rows, const Bf16* operands, const std::byte* matrix, size_t depth,
                          float* sums) {
  // What lies behind a row is NaN, so that reading it shows.
  std::vector<std::byte> scratch(kTiledRows * kScratchRowBytes, std::byte{0xFF});
  for (size_t row = 0; row < rows; ++row)
    std::memcpy(scratch.data() + row * kScratchRowBytes, operands + row * depth, 2 * depth);
  TileSession session;
  session.Rows(rows);
  const auto multiply = format == CacheFormat::kBf16   ? MultiplyScratch<CacheFormat::kBf16>
                        : format == CacheFormat::kE4M3 ? MultiplyScratch<CacheFormat::kE4M3>
                                                       : MultiplyScratch<CacheFormat::kInt8>;
  multiply(rows, scratch.data(), {.data = matrix}, depth, sums);
}

}  // namespace octet::kernels
