// Kernels for CPUs with AMX: the products of BF16 and E4M3 weights; the rest comes from the tiers below. Compiler
// flags: kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>
#include <utility>

#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

constexpr size_t kPairedRows = 1;

// In the order of what needs what.
// clang-format off
#include "kernels/simd/vec_avx512.inl"
#include "kernels/generic/operands.inl"
#include "kernels/generic/math.inl"
#include "kernels/simd/tile_avx512.inl"
#include "kernels/simd/products_avx512.inl"
#include "kernels/generic/multiply_widened.inl"
#include "kernels/generic/pack.inl"
#include "kernels/simd/tiles_amx.inl"
#include "kernels/generic/gemm_tiles.inl"
#include "kernels/generic/pack_tiles.inl"
#include "kernels/simd/products_tile_chains.inl"
// clang-format on

template <WeightFormat format>
void Gemm(const GemmArgs& args) {
  if (args.rows == 0) return;
  args.rows <= kChainedRows ? GemmChained<format>(args) : GemmTiles<format>(args);
}

}  // namespace

constinit const KernelTable kAmx = {
    .name = "amx",
    .gemm = {nullptr, Gemm<WeightFormat::kBf16>, Gemm<WeightFormat::kE4M3>},
    .pack_activations_bf16 = PackTiledBf16,
    .pack_activations_e4m3 = PackTiledE4M3,
};

}  // namespace octet::kernels

#endif
