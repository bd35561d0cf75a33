#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels::reference {
namespace {

// Adds one step of the sums of a column, k (and k + 1 for BF16), for the rows of a block; `sums` is the output itself.
template <WeightFormat format>
void AddStep(const GemmArgs& args, size_t column, size_t k, size_t first_row, size_t block_rows) {
  constexpr ActivationFormat kActivations = ActivationsOf(format);
  const std::byte* block =
      static_cast<const std::byte*>(args.activations) + ActivationBytes(kActivations, first_row, args.depth);
  const float w0 = WeightAt<format>(args.weights, args.depth, column, k);
  for (size_t row = 0; row < block_rows; ++row) {
    float& sum = args.out[(first_row + row) * args.out_stride + column];
    const size_t offset = ActivationOffset(kActivations, block_rows, row, k);
    if constexpr (kActivations == ActivationFormat::kF32) {
      sum = std::fma(LoadAs<float>(block, offset), w0, sum);
    } else {
      const float w1 = WeightAt<format>(args.weights, args.depth, column, k + 1);
      sum = DotPair(ToFloat(LoadAs<Bf16>(block, offset)), ToFloat(LoadAs<Bf16>(block, offset + 2)), w0, w1, sum);
    }
  }
}

template <WeightFormat format>
void Gemm(const GemmArgs& args) {
  constexpr size_t kStep = ActivationsOf(format) == ActivationFormat::kF32 ? 1 : 2;
  const size_t end_column =
      args.end_panel * kPanelColumns < args.columns ? args.end_panel * kPanelColumns : args.columns;
  for (size_t column = args.first_panel * kPanelColumns; column < end_column; ++column) {
    for (size_t row = 0; row < args.rows; ++row) args.out[row * args.out_stride + column] = 0;
    for (size_t block = 0; block < RowBlocks(args.rows); ++block) {
      const size_t first_row = RowBlockBegin(args.rows, block);
      const size_t block_rows = RowBlockBegin(args.rows, block + 1) - first_row;
      for (size_t k = 0; k < args.depth; k += kStep) AddStep<format>(args, column, k, first_row, block_rows);
    }
    ScaleColumn(args, column);
  }
}

}  // namespace

void GemmF32(const GemmArgs& args) { Gemm<WeightFormat::kF32>(args); }
void GemmBf16(const GemmArgs& args) { Gemm<WeightFormat::kBf16>(args); }
void GemmE4M3(const GemmArgs& args) { Gemm<WeightFormat::kE4M3>(args); }
void GemmInt8(const GemmArgs& args) { Gemm<WeightFormat::kInt8>(args); }

}  // namespace octet::kernels::reference
