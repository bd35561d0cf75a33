// Kernels for CPUs with AMX: what multiplies BF16; the rest comes from the tiers below. Compiler
// flags: kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>
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
#include "kernels/simd/products_avx512.inl"
#include "kernels/generic/denormals.inl"
#include "kernels/generic/gemm.inl"
#include "kernels/generic/pack.inl"
#include "kernels/simd/tiles_amx.inl"
#include "kernels/generic/gemm_tiles.inl"
#include "kernels/generic/pack_tiles.inl"
#include "kernels/simd/products_tile_chains.inl"
#include "kernels/generic/attention_tiles.inl"
#include "kernels/generic/attention.inl"
// clang-format on

template <WeightFormat format>
void Gemm(const GemmArgs& args) {
  if (args.rows == 0) return;
  args.rows <= kChainedRows ? GemmChained<format>(args) : GemmTiles<format>(args);
}

void AttendByTiles(const AttendArgs& args) {
  TileSession session;
  ForEachWalk(args, [&](size_t row, size_t rows) {
    session.Rows(rows);
    AttendRows<ActivationFormat::kBf16>(args, row, rows).Run();
  });
}

}  // namespace

constinit const KernelTable kAmx = {
    .name = "amx",
    .gemm = {nullptr, Gemm<WeightFormat::kBf16>, Gemm<WeightFormat::kE4M3>},
    .pack_activations_bf16 = PackTiledBf16,
    .pack_activations_e4m3 = PackTiledE4M3,
    .attend = {nullptr, AttendByTiles},
};

}  // namespace octet::kernels

#endif
