// Kernels for CPUs with AMX: what multiplies BF16 and int8; the rest comes from the tiers below. Compiler flags:
// kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

constexpr bool kMultipliesPairs = true;
constexpr size_t kPairedRows = 1;
constexpr size_t kAttendRows = 32;

// In the order of what needs what.
// clang-format off
#include "kernels/simd/vec_avx512.inl"
#include "kernels/generic/operands.inl"
#include "kernels/generic/math.inl"
#include "kernels/simd/tile_avx512.inl"
#include "kernels/simd/nvfp4_avx512.inl"
#include "kernels/simd/products_avx512.inl"
#include "kernels/generic/denormals.inl"
#include "kernels/generic/gemm.inl"
#include "kernels/generic/gemm_blocks.inl"
#include "kernels/generic/pack.inl"
#include "kernels/simd/nvfp4_codes.inl"
#include "kernels/simd/tiles_amx.inl"
#include "kernels/generic/gemm_tiles.inl"
#include "kernels/generic/pack_tiles.inl"
#include "kernels/generic/pack_int8.inl"
#include "kernels/generic/pack_nvfp4.inl"
#include "kernels/generic/pack_nvfp4_tiles.inl"
#include "kernels/simd/products_int8_avx512.inl"
#include "kernels/generic/gemm_int8_tiles.inl"
#include "kernels/generic/pack_int8_tiles.inl"
#include "kernels/simd/products_tile_chains.inl"
#include "kernels/generic/attention_tiles.inl"
#include "kernels/generic/attention.inl"
// clang-format on

template <WeightFormat format>
void Gemm(const GemmArgs& args) {
  if (args.rows == 0) return;
  args.rows <= kChainedRows ? GemmChained<format>(args) : GemmTiles<format>(args);
}

// A block of the other tiers' rows would leave most of a tile idle, and INT4 and NVFP4 leave the tiles at each group
// for its scale, which takes longer than products in vectors. Integers have the same bits either way.
bool IsTiledInt8(WeightFormat weights, size_t rows) { return weights == WeightFormat::kInt8 && rows > kRowBlock; }

void GemmInt8(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kInt8;
  IsTiledInt8(kFormat, args.rows) ? GemmInt8Tiles(args) : kAvx512.gemm_int8[Int8Index(kFormat)](args);
}

// What goes to products of other tiers, those of INT4, is packed as they read it.
void PackBf16(const KernelTable::PackArgs& args) {
  Int4Group(args.weights) != 0 ? kAvx512.pack_activations_bf16(args) : PackTiledBf16(args);
}

void PackE4M3(const KernelTable::PackArgs& args) {
  Int4Group(args.weights) != 0 ? kAvx512.pack_activations_e4m3(args) : PackTiledE4M3(args);
}

void PackInt8(const KernelTable::PackArgs& args) {
  IsTiledInt8(args.weights, args.rows) ? PackTiledInt8(args) : kAvx512.pack_activations_int8(args);
}

template <CacheFormat format>
void AttendByTiles(const AttendArgs& args) {
  TileSession session;
  ForEachWalk(args, [&](size_t row, size_t rows) {
    session.Rows(rows);
    AttendRows<format>(args, row, rows).Run();
  });
}

template <CacheFormat format>
void AttendPieceByTiles(const AttendArgs& args, size_t piece, float* partials) {
  TileSession session;
  ForEachWalk(args, [&](size_t row, size_t rows) {
    session.Rows(rows);
    AttendRows<format>(args, row, rows).RunPiece(piece, partials);
  });
}

}  // namespace

constinit const KernelTable kAmx = {
    .name = "amx",
    .gemm = {nullptr, Gemm<WeightFormat::kBf16>, Gemm<WeightFormat::kE4M3>, Gemm<WeightFormat::kE4M3Block>,
             Gemm<WeightFormat::kNvfp4>, Gemm<WeightFormat::kInt8>},
    .gemm_int8 = {nullptr, GemmInt8},
    .gemm_nvfp4 = Gemm<WeightFormat::kNvfp4>,
    .pack_activations_bf16 = PackBf16,
    .pack_activations_e4m3 = PackE4M3,
    .pack_activations_e4m3_blocks = PackTiledE4M3Blocks,
    .pack_activations_int8 = PackInt8,
    .pack_activations_nvfp4 = PackTiledNvfp4,
    .attend = {nullptr, AttendByTiles<CacheFormat::kBf16>, AttendByTiles<CacheFormat::kE4M3>,
               AttendByTiles<CacheFormat::kInt8>},
    .attend_piece = {nullptr, AttendPieceByTiles<CacheFormat::kBf16>, AttendPieceByTiles<CacheFormat::kE4M3>,
                     AttendPieceByTiles<CacheFormat::kInt8>},
};

}  // namespace octet::kernels

#endif
