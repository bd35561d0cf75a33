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
#include "kernels/simd/tile_avx512.inl"
#include "kernels/simd/nvfp4_avx512.inl"
#include "kernels/simd/products_avx512_bf16.inl"
// clang-format on

template <WeightFormat format>
inline void MultiplyPacked(size_t rows, size_t panels, const std::byte* activations, const std::byte* weights,
                           size_t panel_bytes, size_t depth, float* sums) {
  if (panels == 1) {
    WithRows(rows, [&](auto count) {
      DotProducts<format, Packed, count(), 1>(activations, weights, panel_bytes, depth, sums);
    });
  } else if (rows == 1) {
    DotProducts<format, Packed, 1, 2>(activations, weights, panel_bytes, depth, sums);
  } else {
    DotProducts<format, Packed, kPairedRows, 2>(activations, weights, panel_bytes, depth, sums);
  }
}

template <CacheFormat format>
inline void MultiplyScratch(size_t rows, const std::byte* activations, const std::byte* weights, size_t depth,
                            float* sums) {
  WithRows(rows, [&](auto count) {
    DotProducts<CachePacking(format), RowMajor, count(), 1, CacheDecoder<format>>(activations, weights, 0, depth, sums);
  });
}

// In the order of what needs what.
// clang-format off
#include "kernels/generic/denormals.inl"
#include "kernels/generic/gemm.inl"
#include "kernels/generic/gemm_blocks.inl"
#include "kernels/generic/attention.inl"
// clang-format on

// The micro-kernel of E4M3 on one block of the depth after the other.
void GemmBlocks(const GemmArgs& args) {
  const size_t panel_bytes = PanelBytes(WeightFormat::kE4M3Block, args.depth);
  alignas(64) float sums[kRowBlock * kPanelColumns];
  for (size_t panel = args.first_panel, panels = 0; panel < args.end_panel; panel += panels) {
    panels = PanelsAtATime(args, panel);
    for (size_t block = 0; block < RowBlocks(args.rows); ++block) {
      const size_t first_row = RowBlockBegin(args.rows, block), rows = RowBlockBegin(args.rows, block + 1) - first_row;
      const std::byte* activations = static_cast<const std::byte*>(args.activations) +
                                     ActivationBytes(ActivationFormat::kBf16, first_row, args.depth);
      Clear(sums, panels * rows * kPanelColumns);
      MultiplyBlocks(args, {first_row, rows, panels, 0, args.depth}, PanelOf(args, WeightFormat::kE4M3Block, panel),
                     sums, [&](size_t k, const std::byte* codes, size_t depth, float* chains) {
                       MultiplyPacked<WeightFormat::kE4M3>(rows, panels, activations + 2 * k * rows, codes, panel_bytes,
                                                           depth, chains);
                     });
      for (size_t p = 0; p < panels; ++p)
        FinishBlock(args, panel + p, first_row, rows, sums + p * rows * kPanelColumns);
    }
  }
}

}  // namespace

constinit const KernelTable kAvx512Bf16 = {
    .name = "avx512_bf16",
    .gemm = {nullptr, GemmInPlace<WeightFormat::kBf16>, GemmInPlace<WeightFormat::kE4M3>, GemmBlocks,
             GemmInPlace<WeightFormat::kNvfp4>},
    .attend = {nullptr, Attend<CacheFormat::kBf16>, Attend<CacheFormat::kE4M3>, Attend<CacheFormat::kInt8>},
    .attend_piece = {nullptr, AttendPiece<CacheFormat::kBf16>, AttendPiece<CacheFormat::kE4M3>,
                     AttendPiece<CacheFormat::kInt8>},
};

}  // namespace octet::kernels

#endif
