#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels::reference {
namespace {

constexpr size_t kBlocksAtOnce = 8;

// Some row blocks that go through the depth together: a column's element is decoded once for all of them.
struct Block {
  size_t first_row = 0, rows = 0;
  const std::byte* activations = nullptr;
  float chains[kRowBlock] = {};
  float sums[kRowBlock] = {};  // of formats with blocks, whose chains join them
};

// Depth positions that share a scale; 0 where a chain goes through the whole depth.
constexpr size_t BlockOf(WeightFormat format) {
  return format == WeightFormat::kE4M3Block ? kFp8Block : format == WeightFormat::kNvfp4 ? kNvfp4Block : 0;
}

// What the chains multiply: the element, of formats with blocks without its scale.
template <WeightFormat format>
float UnscaledAt(const GemmArgs& args, size_t column, size_t k) {
  if constexpr (format != WeightFormat::kNvfp4) return WeightAt<format>(args.weights, args.depth, column, k);
  return kNvfp4Unit / 2 * static_cast<float>(CodeAt<WeightFormat::kNvfp4>(args.weights, args.depth, column, k));
}

template <WeightFormat format>
float BlockScaleAt(const GemmArgs& args, size_t column, size_t k) {
  if constexpr (format == WeightFormat::kNvfp4)
    return ScaleAt<format>(args.weights, args.depth, column, k) * (2 / kNvfp4Unit);
  return Flush(LoadAs<float>(args.weights, PackedFp8ScaleOffset(args.depth, column, k)));
}

// Adds a step of BF16 pairs, or of single floats, to the chains of a block; `step` is the activations of its rows.
template <WeightFormat format>
void AddStep(const std::byte* step, float w0, float w1, size_t rows, float* chains) {
  for (size_t row = 0; row < rows; ++row) {
    if constexpr (ActivationsOf(format) == ActivationFormat::kF32) {
      chains[row] = std::fma(LoadAs<float>(step, 4 * row), w0, chains[row]);
    } else {
      const auto pair = LoadAs<uint32_t>(step, 4 * row);  // the even element is the low half
      const auto a0 = std::bit_cast<float>(pair << 16), a1 = std::bit_cast<float>(pair & 0xFFFF0000);
      chains[row] = DotPair(a0, a1, w0, w1, chains[row]);
    }
  }
}

// The chains over depth positions begin .. end - 1.
template <WeightFormat format>
void AddChains(const GemmArgs& args, size_t column, size_t begin, size_t end, std::span<Block> blocks) {
  constexpr ActivationFormat kActivations = ActivationsOf(format);
  constexpr size_t kStep = kActivations == ActivationFormat::kF32 ? 1 : 2;
  for (size_t k = begin; k < end; k += kStep) {
    const float w0 = UnscaledAt<format>(args, column, k);
    const float w1 = kStep == 1 ? 0 : UnscaledAt<format>(args, column, k + kStep - 1);
    for (Block& block : blocks) {
      const std::byte* step = block.activations + ActivationOffset(kActivations, block.rows, 0, k);
      // A constant number of rows lets the compiler keep their sums in one register.
      if (block.rows == kRowBlock)
        AddStep<format>(step, w0, w1, kRowBlock, block.chains);
      else
        AddStep<format>(step, w0, w1, block.rows, block.chains);
    }
  }
}

// The chains of the block of the depth at k join the sums, and end.
void CloseChains(const GemmArgs& args, size_t k, float of_weights, Block& block) {
  for (size_t row = 0; row < block.rows; ++row) {
    float scale = of_weights;
    if (args.block_scales != nullptr) {
      const size_t at = (block.first_row + row) * Fp8Blocks(args.depth) + k / kFp8Block;
      scale = Flush(scale * Flush(args.block_scales[at]));
    }
    block.sums[row] = Flush(std::fma(block.chains[row], scale, block.sums[row]));
    block.chains[row] = 0;
  }
}

template <WeightFormat format>
void SumBlocks(const GemmArgs& args, size_t column, std::span<Block> blocks) {
  constexpr size_t kBlock = BlockOf(format);
  if constexpr (kBlock == 0) {
    AddChains<format>(args, column, 0, args.depth, blocks);
    for (Block& block : blocks) std::copy(block.chains, block.chains + kRowBlock, block.sums);
  } else {
    for (size_t k = 0; k < args.depth; k += kBlock) {
      AddChains<format>(args, column, k, std::min(k + kBlock, args.depth), blocks);
      const float scale = BlockScaleAt<format>(args, column, k);
      for (Block& block : blocks) CloseChains(args, k, scale, block);
    }
  }
}

Block MakeBlock(const GemmArgs& args, ActivationFormat format, size_t index) {
  Block block{.first_row = RowBlockBegin(args.rows, index)};
  block.rows = RowBlockBegin(args.rows, index + 1) - block.first_row;
  block.activations =
      static_cast<const std::byte*>(args.activations) + ActivationBytes(format, block.first_row, args.depth);
  return block;
}

template <WeightFormat format>
void Gemm(const GemmArgs& args) {
  const size_t row_blocks = RowBlocks(args.rows), end_column = std::min(args.end_panel * kPanelColumns, args.columns);
  for (size_t column = args.first_panel * kPanelColumns; column < end_column; ++column) {
    for (size_t first = 0; first < row_blocks; first += kBlocksAtOnce) {
      std::array<Block, kBlocksAtOnce> blocks;
      const size_t count = std::min(kBlocksAtOnce, row_blocks - first);
      for (size_t i = 0; i < count; ++i) blocks[i] = MakeBlock(args, ActivationsOf(format), first + i);
      SumBlocks<format>(args, column, std::span(blocks).first(count));
      for (size_t i = 0; i < count; ++i) {
        for (size_t row = 0; row < blocks[i].rows; ++row)
          args.out[(blocks[i].first_row + row) * args.out_stride + column] = blocks[i].sums[row];
      }
    }
    ScaleColumn(args, column);
  }
}

}  // namespace

OCTET_FMA_CLONE void GemmF32(const GemmArgs& args) { Gemm<WeightFormat::kF32>(args); }
OCTET_FMA_CLONE void GemmBf16(const GemmArgs& args) { Gemm<WeightFormat::kBf16>(args); }
OCTET_FMA_CLONE void GemmE4M3(const GemmArgs& args) { Gemm<WeightFormat::kE4M3>(args); }
OCTET_FMA_CLONE void GemmE4M3Block(const GemmArgs& args) { Gemm<WeightFormat::kE4M3Block>(args); }
OCTET_FMA_CLONE void GemmNvfp4(const GemmArgs& args) { Gemm<WeightFormat::kNvfp4>(args); }
OCTET_FMA_CLONE void GemmInt8(const GemmArgs& args) { Gemm<WeightFormat::kInt8>(args); }

}  // namespace octet::kernels::reference
