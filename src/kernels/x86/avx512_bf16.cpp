// Kernels for CPUs with AVX-512 BF16: what multiplies BF16; the rest comes from avx512. Compiler flags:
// kernels/flags.cmake.
#if defined(__x86_64__)

#include <immintrin.h>

#include <type_traits>
#include <utility>

#include "kernels/tiers.h"

namespace octet::kernels {
namespace {

constexpr bool kMultipliesPairs = true;
constexpr size_t kPairedRows = 2;
constexpr size_t kAttendRows = kRowBlock;

// In the order of what needs what.
// clang-format off
#include "kernels/simd/vec_avx512.inl"
#include "kernels/generic/operands.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/denormals.inl"
#include "kernels/simd/tile_avx512.inl"
#include "kernels/simd/nvfp4_avx512.inl"
#include "kernels/generic/decode_integers.inl"
#include "kernels/simd/products_avx512_bf16.inl"
// clang-format on

template <WeightFormat format>
inline void MultiplyPacked(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                           size_t panel_bytes, size_t depth, float* sums) {
  if (panels == 1) {
    WithRows<MostInPlace(format)>(rows, [&](auto count) {
      DotProducts<format, Packed, count(), 1>(activations, weights, panel_bytes, depth, sums);
    });
  } else if (rows == 1) {
    DotProducts<format, Packed, 1, 2>(activations, weights, panel_bytes, depth, sums);
  } else {
    DotProducts<format, Packed, kPairedRows, 2>(activations, weights, panel_bytes, depth, sums);
  }
}

template <CacheFormat format>
inline void MultiplyScratch(size_t rows, const std::byte* activations, const CacheMatrix& weights, size_t depth,
                            float* sums) {
  WithRows(rows, [&](auto count) {
    DotProducts<CachePacking(format), RowMajor, count(), 1, CacheDecoder<format>>(activations, weights.data, 0, depth,
                                                                                  sums, weights.ahead);
  });
}

// In the order of what needs what.
// clang-format off
#include "kernels/generic/gemm.inl"
#include "kernels/generic/gemm_blocks.inl"
#include "kernels/generic/attention.inl"
// clang-format on

// E4M3, in place for few rows; decoded once for more, when each block of rows would do it again.
void GemmE4M3(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kE4M3;
  if (args.rows <= MostInPlace(kFormat)) return GemmInPlace<kFormat>(args);
  constexpr size_t kPart = 256;  // 16 KB of pairs
  alignas(64) std::byte pairs[2 * kPart * kPanelColumns];
  GemmDecoded<kFormat, kPart>(
      args, [&](const std::byte* from, size_t depth) { DecodePairs(from, depth, pairs); },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        MultiplyPacked<WeightFormat::kBf16>(rows, 1, BlockAt(args, first_row, rows, k), pairs, 0, depth, sums);
      });
}

void GemmNvfp4(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kNvfp4;
  if (args.rows <= MostInPlace(kFormat)) return GemmInPlace<kFormat>(args);
  constexpr size_t kPart = 256;
  alignas(64) std::byte pairs[2 * kPart * kPanelColumns];
  alignas(64) float scales[kPart / kNvfp4Block * kPanelColumns];
  GemmDecoded<kFormat, kPart>(
      args, [&](const std::byte* from, size_t depth) { DecodeNvfp4Pairs(from, depth, pairs, scales); },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const std::byte* activations = BlockAt(args, first_row, rows, k);
        WithRows(rows, [&](auto count) {
          DotProductsOfGroups<count(), kNvfp4Block>(activations, pairs, scales, depth, sums);
        });
      });
}

// Up to 8 rows: the micro-kernel of E4M3 on one block of the depth after the other.
void GemmFewBlocks(const GemmArgs& args) {
  if (args.rows == 0) return;  // two panels at a time are multiplied by two rows
  const size_t panel_bytes = PanelBytes(WeightFormat::kE4M3Block, args.depth);
  alignas(64) float sums[kRowBlock * kPanelColumns];
  for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
    panels = PanelsAtATime(args, panel);
    Clear(sums, panels * args.rows * kPanelColumns);
    MultiplyBlocks(args, {0, args.rows, panels, 0, args.depth}, PanelOf(args, WeightFormat::kE4M3Block, panel), sums,
                   [&](size_t k, const std::byte* codes, size_t depth, float* chains) {
                     MultiplyPacked<WeightFormat::kE4M3>(args.rows, panels, BlockAt(args, 0, args.rows, k), codes,
                                                         panel_bytes, depth, chains);
                   });
    for (size_t p = 0; p < panels; ++p)
      FinishBlock(args, panel + p, 0, args.rows, sums + p * args.rows * kPanelColumns);
  }
}

void GemmBlocks(const GemmArgs& args) {
  if (args.rows <= kRowBlock) return GemmFewBlocks(args);
  alignas(64) std::byte pairs[2 * kFp8Block * kPanelColumns];
  const float* scales = nullptr;
  GemmDecoded<WeightFormat::kE4M3Block, kFp8Block>(
      args,
      [&](const std::byte* from, size_t depth) {
        DecodePairs(from, depth, pairs);
        scales = BlockScales(from, depth);
      },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const std::byte* activations = BlockAt(args, first_row, rows, k);
        const BlockFactors factors = FactorsOf(args, {first_row, rows, k}, scales);
        WithRows(rows, [&](auto count) { DotProductsOfBlock<count()>(activations, pairs, depth, factors, sums); });
      });
}

// Integer weights with BF16 activations.
template <WeightFormat format>
void GemmIntegers(const GemmArgs& args) {
  if (args.rows <= kRowBlock) return kAvx512.gemm[static_cast<size_t>(format)](args);
  constexpr size_t kPart = 128;
  alignas(64) float decoded[kPart * kPanelColumns], scales[kPart / 32 * kPanelColumns];
  alignas(64) std::byte pairs[2 * kPart * kPanelColumns];
  GemmDecoded<format, kPart>(
      args,
      [&](const std::byte* from, size_t depth) {
        DecodeIntegers<format>(from, depth, decoded, scales);
        PackDecoded(decoded, depth, pairs);
      },
      [&](size_t first_row, size_t rows, size_t k, size_t depth, float* sums) {
        const std::byte* activations = BlockAt(args, first_row, rows, k);
        if constexpr (format == WeightFormat::kInt8) {
          MultiplyPacked<WeightFormat::kBf16>(rows, 1, activations, pairs, 0, depth, sums);
        } else {
          WithRows(rows, [&](auto count) {
            DotProductsOfGroups<count(), Int4Group(format)>(activations, pairs, scales, depth, sums);
          });
        }
      });
}

}  // namespace

constinit const KernelTable kAvx512Bf16 = {
    .name = "avx512_bf16",
    .gemm = {nullptr, GemmInPlace<WeightFormat::kBf16>, GemmE4M3, GemmBlocks, GemmNvfp4,
             GemmIntegers<WeightFormat::kInt8>, GemmIntegers<WeightFormat::kInt4Group32>,
             GemmIntegers<WeightFormat::kInt4Group64>, GemmIntegers<WeightFormat::kInt4Group128>,
             GemmIntegers<WeightFormat::kInt4Zeros32>, GemmIntegers<WeightFormat::kInt4Zeros64>,
             GemmIntegers<WeightFormat::kInt4Zeros128>},
    .attend = {nullptr, Attend<CacheFormat::kBf16>, Attend<CacheFormat::kE4M3>, Attend<CacheFormat::kInt8>},
    .attend_piece = {nullptr, AttendPiece<CacheFormat::kBf16>, AttendPiece<CacheFormat::kE4M3>,
                     AttendPiece<CacheFormat::kInt8>},
};

}  // namespace octet::kernels

#endif
