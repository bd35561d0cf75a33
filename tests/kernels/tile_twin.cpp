#include "tests/kernels/tile_twin.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

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

// Byte (column, k) of a record of four k of E4M3 or of two of BF16 stands where layout.h says.
void DecodeRecordE4M3(const std::byte* from, std::byte* to) {
  for (size_t column = 0; column < kPanelColumns; ++column) {
    for (size_t k = 0; k < 4; ++k) {
      E4M3 code;
      std::memcpy(&code, from + PackedOffset(WeightFormat::kE4M3, 4, column, k), 1);
      const Bf16 value = ToBf16(ToFloat(code));
      std::memcpy(to + PackedOffset(WeightFormat::kBf16, 4, column, k), &value, 2);
    }
  }
}

// In the order of what needs what.
// clang-format off
#include "kernels/generic/operands.inl"
#include "kernels/generic/gemm_tiles.inl"
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
  PackRows(args, [](size_t, float x) { return ToBf16(x); });
}

void PackE4M3(const KernelTable::PackArgs& args) {
  for (size_t row = RowBlockBegin(args.rows, args.first_block); row < RowBlockBegin(args.rows, args.end_block); ++row) {
    float greatest = 0;
    for (size_t k = 0; k < args.depth; ++k) greatest = std::max(greatest, std::fabs(args.x[row * args.stride + k]));
    args.row_scales[row] = greatest / 448 == 0 ? 1 : greatest / 448;
  }
  PackRows(args, [&](size_t row, float x) { return ToBf16(ToFloat(ToE4M3(x / args.row_scales[row]))); });
}

}  // namespace

const KernelTable& TileTwin() {
  static const KernelTable twin = [] {
    KernelTable out = *AvailableTiers().front();
    out.name = "tile_twin";
    out.gemm[static_cast<size_t>(WeightFormat::kBf16)] = GemmTiles<WeightFormat::kBf16>;
    out.gemm[static_cast<size_t>(WeightFormat::kE4M3)] = GemmTiles<WeightFormat::kE4M3>;
    out.pack_activations_bf16 = PackBf16;
    out.pack_activations_e4m3 = PackE4M3;
    return out;
  }();
  return twin;
}

}  // namespace octet::kernels
