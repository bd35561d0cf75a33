// Products of INT8 and INT4 weights with BF16 activations, where INT8 is like any other format (reference/gemm.cpp),
// and those of both and of NVFP4 weights with int8 and NVFP4 ones.
#include <utility>

#include "kernels/reference/elements.h"
#include "kernels/reference/reference.h"

namespace octet::kernels::reference {
namespace {

// The rows and columns of a call: element(block's activations, its rows, row in it, column) is a sum before scales.
template <class Element>
void ForEachElement(const GemmArgs& args, size_t row_bytes, Element&& element) {
  const size_t end_column =
      args.end_panel * kPanelColumns < args.columns ? args.end_panel * kPanelColumns : args.columns;
  for (size_t column = args.first_panel * kPanelColumns; column < end_column; ++column) {
    for (size_t block = 0; block < RowBlocks(args.rows); ++block) {
      const size_t first_row = RowBlockBegin(args.rows, block);
      const size_t block_rows = RowBlockBegin(args.rows, block + 1) - first_row;
      const std::byte* activations = static_cast<const std::byte*>(args.activations) + first_row * row_bytes;
      for (size_t row = 0; row < block_rows; ++row)
        args.out[(first_row + row) * args.out_stride + column] = element(activations, block_rows, row, column);
    }
    ScaleColumn(args, column);
  }
}

// One group's chain of BF16 pairs times INT4 codes, from zero.
template <WeightFormat format>
float GroupChain(const GemmArgs& args, const std::byte* block, size_t block_rows, size_t row, size_t column,
                 size_t begin) {
  float chain = 0;
  for (size_t k = begin; k < begin + Int4Group(format); k += 2) {
    const size_t offset = ActivationOffset(ActivationFormat::kBf16, block_rows, row, k);
    chain = DotPair(ToFloat(LoadAs<Bf16>(block, offset)), ToFloat(LoadAs<Bf16>(block, offset + 2)),
                    WeightAt<format>(args.weights, args.depth, column, k),
                    WeightAt<format>(args.weights, args.depth, column, k + 1), chain);
  }
  return chain;
}

template <WeightFormat format, size_t words = 1>
int32_t GroupSum(const GemmArgs& args, const std::byte* block, size_t block_rows, size_t row, size_t column,
                 std::pair<size_t, size_t> range) {
  const size_t group = args.depth / IntegerGroups(format, args.depth);
  int32_t sum = 0;
  for (size_t k = range.first; k < range.second; ++k) {
    sum += LoadAs<int8_t>(block, Int8Offset(group, block_rows, row, Int8Place(format, k), words)) *
           CodeAt<format>(args.weights, args.depth, column, k);
  }
  return sum;
}

}  // namespace

template <WeightFormat format>
void GemmInt4(const GemmArgs& args) {
  const size_t row_bytes = ActivationBytes(ActivationFormat::kBf16, 1, args.depth);
  ForEachElement(args, row_bytes, [&](const std::byte* block, size_t block_rows, size_t row, size_t column) {
    float sum = 0;
    for (size_t k = 0; k < args.depth; k += Int4Group(format)) {
      const float scale = ScaleAt<format>(args.weights, args.depth, column, k);
      sum = Flush(std::fma(GroupChain<format>(args, block, block_rows, row, column, k), scale, sum));
    }
    return sum;
  });
}

template <WeightFormat format>
void GemmOfInt8(const GemmArgs& args) {
  const size_t row_bytes = Int8ActivationBytes(format, 1, args.depth);
  ForEachElement(args, row_bytes, [&](const std::byte* block, size_t block_rows, size_t row, size_t column) {
    const auto group_sum = [&](size_t begin, size_t end) {
      return static_cast<float>(GroupSum<format>(args, block, block_rows, row, column, {begin, end}));
    };
    if constexpr (format == WeightFormat::kInt8) {
      return group_sum(0, args.depth);
    } else {
      float sum = 0;
      const size_t group = args.depth / IntegerGroups(format, args.depth);
      for (size_t k = 0; k < args.depth; k += group)
        sum = std::fma(group_sum(k, k + group), ScaleAt<format>(args.weights, args.depth, column, k), sum);
      return sum;
    }
  });
}

void GemmOfNvfp4(const GemmArgs& args) {
  constexpr WeightFormat kFormat = WeightFormat::kNvfp4;
  constexpr size_t kWords = GroupWords(ActivationFormat::kNvfp4);
  const size_t row_bytes = CodedActivationBytes(ActivationFormat::kNvfp4, kFormat, 1, args.depth);
  ForEachElement(args, row_bytes, [&](const std::byte* block, size_t block_rows, size_t row, size_t column) {
    float sum = 0;
    for (size_t k = 0; k < args.depth; k += kNvfp4Block) {
      const int32_t count = GroupSum<kFormat, kWords>(args, block, block_rows, row, column, {k, k + kNvfp4Block});
      const size_t start = StartOffset(kNvfp4Block, block_rows, row, k / kNvfp4Block, kWords);
      const float scale = LoadAs<float>(block, start + 4 * block_rows) / 2;
      sum = std::fma(static_cast<float>(count), ScaleAt<kFormat>(args.weights, args.depth, column, k) * scale, sum);
    }
    return sum;
  });
}

template void GemmOfInt8<WeightFormat::kNvfp4>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt8>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Group32>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Group64>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Group128>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Zeros32>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Zeros64>(const GemmArgs&);
template void GemmOfInt8<WeightFormat::kInt4Zeros128>(const GemmArgs&);

template void GemmInt4<WeightFormat::kInt4Group32>(const GemmArgs&);
template void GemmInt4<WeightFormat::kInt4Group64>(const GemmArgs&);
template void GemmInt4<WeightFormat::kInt4Group128>(const GemmArgs&);
template void GemmInt4<WeightFormat::kInt4Zeros32>(const GemmArgs&);
template void GemmInt4<WeightFormat::kInt4Zeros64>(const GemmArgs&);
template void GemmInt4<WeightFormat::kInt4Zeros128>(const GemmArgs&);

}  // namespace octet::kernels::reference
