// Kernels for CPUs with AVX-512 F, BW, DQ, VL, VNNI and VBMI. Compiler flags: kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

constexpr bool kMultipliesPairs = false;
constexpr size_t kPairedRows = 2;
constexpr size_t kAttendRows = kRowBlock;

// In the order of what needs what.
// clang-format off
#include "kernels/simd/vec_avx512.inl"
#include "kernels/generic/operands.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/elementwise.inl"
#include "kernels/simd/tile_avx512.inl"
#include "kernels/simd/nvfp4_avx512.inl"
#include "kernels/generic/pack.inl"
#include "kernels/simd/nvfp4_codes.inl"
#include "kernels/generic/decode_integers.inl"
#include "kernels/simd/products_avx512.inl"
#include "kernels/generic/denormals.inl"
#include "kernels/simd/products_int8_avx512.inl"
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

// Few rows are bound by memory; for more, decoding once for all of them pays.
template <WeightFormat format>
void GemmWidened(const GemmArgs& args) {
  if (args.rows <= MostInPlace(format)) return GemmFewRows<format>(args);
  if constexpr (format == WeightFormat::kInt8 || format == WeightFormat::kNvfp4) {
    GemmWidenedCodes<format>(args);
  } else {
    GemmManyRows<format>(args);
  }
}

void GemmBlocks(const GemmArgs& args) {
  args.rows <= kRowBlock ? GemmFewRows<WeightFormat::kE4M3Block>(args) : GemmManyBlocks(args);
}

// Weights with scales of groups. The loop over a group ends with as many conversions and FMAs as there are sums; rows
// that decode for themselves would leave 59 % of the time to the products of groups of 32.
template <WeightFormat format, ActivationFormat read = ActivationFormat::kInt8>
void GemmGroups(const GemmArgs& args) {
  if (args.rows <= kStreamedRows) return GemmInteger<format, kStreamedRows, read>(args);
  constexpr size_t kPart = 512;  // 16 KB of codes
  constexpr size_t kGroup = kPart / IntegerGroups(format, kPart);
  alignas(64) std::byte codes[kPart * kPanelColumns];
  alignas(64) float scales[IntegerGroups(format, kPart) * kPanelColumns];
  GemmDecoded<format, kPart>(
      args,
      [&](const std::byte* from, size_t depth) {
        if constexpr (format == WeightFormat::kNvfp4) {
          DecodeNvfp4Codes(from, depth, codes, scales);
        } else {
          DecodeInt4<format>(from, depth, codes, scales);
        }
      },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const std::byte* activations = static_cast<const std::byte*>(args.activations) +
                                       CodedActivationBytes(read, format, first_row, args.depth) +
                                       CodedActivationBytes(read, format, rows, k);
        WithRows(rows, [&](auto count) {
          AddDecodedIntegers<count(), kGroup, read>(activations, codes, scales, depth, sums);
        });
      });
}

}  // namespace

constinit const KernelTable kAvx512 = {
    .name = "avx512",
    .gemm = {GemmInPlace<WeightFormat::kF32>, GemmWidened<WeightFormat::kBf16>, GemmWidened<WeightFormat::kE4M3>,
             GemmBlocks, GemmWidened<WeightFormat::kNvfp4>, GemmWidened<WeightFormat::kInt8>,
             GemmWidenedCodes<WeightFormat::kInt4Group32>, GemmWidenedCodes<WeightFormat::kInt4Group64>,
             GemmWidenedCodes<WeightFormat::kInt4Group128>, GemmWidenedCodes<WeightFormat::kInt4Zeros32>,
             GemmWidenedCodes<WeightFormat::kInt4Zeros64>, GemmWidenedCodes<WeightFormat::kInt4Zeros128>},
    .gemm_int8 = {GemmGroups<WeightFormat::kNvfp4>, GemmInteger<WeightFormat::kInt8>,
                  GemmGroups<WeightFormat::kInt4Group32>, GemmGroups<WeightFormat::kInt4Group64>,
                  GemmGroups<WeightFormat::kInt4Group128>, GemmGroups<WeightFormat::kInt4Zeros32>,
                  GemmGroups<WeightFormat::kInt4Zeros64>, GemmGroups<WeightFormat::kInt4Zeros128>},
    .gemm_nvfp4 = GemmGroups<WeightFormat::kNvfp4, ActivationFormat::kNvfp4>,
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
