// Kernels for CPUs with AVX2, FMA and F16C. Compiler flags: kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

constexpr bool kMultipliesPairs = false;
constexpr size_t kPairedRows = 0;
constexpr size_t kAttendRows = kRowBlock;

// In the order of what needs what.
// clang-format off
#include "kernels/simd/vec_avx2.inl"
#include "kernels/generic/operands.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/elementwise.inl"
#include "kernels/generic/decode_integers.inl"
#include "kernels/generic/pack.inl"
#include "kernels/simd/nvfp4_codes.inl"
#include "kernels/simd/products_avx2.inl"
#include "kernels/generic/denormals.inl"
#include "kernels/simd/products_int8_avx2.inl"
#include "kernels/generic/multiply_widened.inl"
#include "kernels/generic/gemm.inl"
#include "kernels/generic/gemm_blocks.inl"
#include "kernels/generic/gemm_widened.inl"
#include "kernels/generic/gemm_integer.inl"
#include "kernels/generic/attention.inl"
#include "kernels/generic/join_pieces.inl"
#include "kernels/generic/pack_int8.inl"
#include "kernels/generic/store_cache.inl"
#include "kernels/generic/pack_nvfp4.inl"
// clang-format on

}  // namespace

constinit const KernelTable kAvx2 = {
    .name = "avx2",
    .gemm = {GemmInPlace<WeightFormat::kF32>, GemmManyRows<WeightFormat::kBf16>, GemmManyRows<WeightFormat::kE4M3>,
             GemmManyBlocks, GemmWidenedCodes<WeightFormat::kNvfp4>, GemmWidenedCodes<WeightFormat::kInt8>,
             GemmWidenedCodes<WeightFormat::kInt4Group32>, GemmWidenedCodes<WeightFormat::kInt4Group64>,
             GemmWidenedCodes<WeightFormat::kInt4Group128>, GemmWidenedCodes<WeightFormat::kInt4Zeros32>,
             GemmWidenedCodes<WeightFormat::kInt4Zeros64>, GemmWidenedCodes<WeightFormat::kInt4Zeros128>},
    .gemm_int8 = {GemmInteger<WeightFormat::kNvfp4>, GemmInteger<WeightFormat::kInt8>,
                  GemmInteger<WeightFormat::kInt4Group32>, GemmInteger<WeightFormat::kInt4Group64>,
                  GemmInteger<WeightFormat::kInt4Group128>, GemmInteger<WeightFormat::kInt4Zeros32>,
                  GemmInteger<WeightFormat::kInt4Zeros64>, GemmInteger<WeightFormat::kInt4Zeros128>},
    .gemm_nvfp4 = GemmInteger<WeightFormat::kNvfp4, kRowBlock, ActivationFormat::kNvfp4>,
    .pack_activations_f32 = PackActivationsF32,
    .pack_activations_bf16 = PackActivationsBf16,
    .pack_activations_e4m3 = PackActivationsE4M3,
    .pack_activations_e4m3_blocks = PackActivationsE4M3Blocks,
    .pack_activations_int8 = PackActivationsInt8,
    .pack_activations_nvfp4 = PackActivationsNvfp4,
    .rms_norm = RmsNorm,
    .layer_norm = LayerNorm,
    .add = AddTo,
    .scale = Scale,
    .silu_multiply = ActivateMultiply<Silu>,
    .gelu_tanh_multiply = ActivateMultiply<GeluTanh>,
    .gelu_erf_multiply = ActivateMultiply<GeluErf>,
    .softcap = Softcap,
    .rope = Rope,
    .store_cache = {StoreCache<CacheFormat::kF32>, StoreCache<CacheFormat::kBf16>, StoreCache<CacheFormat::kE4M3>,
                    StoreCache<CacheFormat::kInt8>},
    .attend = {Attend<CacheFormat::kF32>, Attend<CacheFormat::kBf16>, Attend<CacheFormat::kE4M3>,
               Attend<CacheFormat::kInt8>},
    .attend_piece = {AttendPiece<CacheFormat::kF32>, AttendPiece<CacheFormat::kBf16>, AttendPiece<CacheFormat::kE4M3>,
                     AttendPiece<CacheFormat::kInt8>},
    .join_pieces = JoinPieces,
    .arg_max = ArgMax,
    .sum_exp = SumExp,
};

}  // namespace octet::kernels

#endif
