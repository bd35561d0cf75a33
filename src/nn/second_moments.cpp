#include "nn/second_moments.h"

#include <algorithm>

namespace octet::nn {
namespace {

constexpr size_t kSideRows = 256;  // of the sums that one product computes: those above the diagonal in it are wasted

// [width, rows] of the rows' columns, which are both sides of the product.
void Transpose(const Rows& x, size_t first_column, size_t end_column, float* turned) {
  constexpr size_t kTile = 32;  // columns read together while their lines are in the cache
  for (size_t tile = first_column; tile < end_column; tile += kTile) {
    const size_t end = std::min(end_column, tile + kTile);
    for (size_t row = 0; row < x.count; ++row) {
      for (size_t column = tile; column < end; ++column) {
        turned[column * x.count + row] = x.data[row * x.stride + column];
      }
    }
  }
}

// The weights' side of the product: panels of 32 of x's columns, over the rows.
Result<PackedMatrix> PackColumns(ExecutionContext& context, const Rows& x, kernels::WeightFormat format,
                                 float* turned) {
  const size_t panel_bytes = kernels::PanelBytes(format, x.count);
  const size_t bytes = kernels::PackedBytes(format, x.width, x.count);
  auto* packed = static_cast<std::byte*>(OCTET_TRY(context.workspace.Bytes(bytes)));
  context.pool.ForEachShare(kernels::Panels(x.width), [&](size_t begin, size_t end) {
    const size_t first = begin * kernels::kPanelColumns, last = std::min(x.width, end * kernels::kPanelColumns);
    Transpose(x, first, last, turned);
    const auto pack = format == kernels::WeightFormat::kF32 ? kernels::PackWeightsF32 : kernels::PackWeightsBf16;
    pack(turned + first * x.count, last - first, x.count, packed + begin * panel_bytes);
  });
  return PackedMatrix{.format = format,
                      .columns = x.width,
                      .depth = x.count,
                      .panels = {packed, bytes},
                      .column_scales = {},
                      .bias = {},
                      .owner = {}};
}

}  // namespace

Status AddSecondMoments(ExecutionContext& context, const Rows& x, kernels::WeightFormat format, std::span<float> sums) {
  OCTET_CHECK(sums.size() == x.width * x.width);
  if (x.count == 0) return {};
  const Workspace::Scope all(context.workspace);
  float* turned = OCTET_TRY(context.workspace.Floats(x.width * x.count));
  const PackedMatrix columns = OCTET_TRY(PackColumns(context, x, format, turned));
  float* products = OCTET_TRY(context.workspace.Floats(std::min(kSideRows, x.width) * x.width));
  for (size_t first = 0; first < x.width; first += kSideRows) {
    const Workspace::Scope side(context.workspace);
    const size_t count = std::min(kSideRows, x.width - first);
    const Rows rows{turned + first * x.count, x.count, count, x.count};
    const PackedRows packed = OCTET_TRY(PackRows(context, columns, rows, [](size_t, size_t) {}));
    context.pool.ForEachShare(kernels::Panels(first + count), [&](size_t begin, size_t end) {
      MultiplyPanels(context, columns, packed, products, x.width, {begin, end});
      const size_t left = begin * kernels::kPanelColumns, right = std::min(x.width, end * kernels::kPanelColumns);
      for (size_t row = 0; row < count; ++row) {
        for (size_t column = left; column < right; ++column)
          sums[(first + row) * x.width + column] += products[row * x.width + column];
      }
    });
  }
  return {};
}

void MirrorSecondMoments(ThreadPool& pool, size_t width, std::span<float> sums) {
  pool.ForEachShare(width, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      for (size_t column = row + 1; column < width; ++column) sums[row * width + column] = sums[column * width + row];
    }
  });
}

}  // namespace octet::nn
