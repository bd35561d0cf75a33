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

// sums += the rows of `turned` [width, rows] times `columns`; of those only what lies left of the end of each side's
// rows where the sums are symmetric.
Status AddProducts(ExecutionContext& context, const float* turned, const PackedMatrix& columns, bool is_symmetric,
                   std::span<float> sums) {
  const size_t width = columns.columns, depth = columns.depth;
  float* products = OCTET_TRY(context.workspace.Floats(std::min(kSideRows, width) * width));
  for (size_t first = 0; first < width; first += kSideRows) {
    const Workspace::Scope side(context.workspace);
    const size_t count = std::min(kSideRows, width - first);
    const Rows rows{turned + first * depth, depth, count, depth};
    const PackedRows packed = OCTET_TRY(PackRows(context, columns, rows, [](size_t, size_t) {}));
    const size_t most = is_symmetric ? first + count : width;
    context.pool.ForEachShare(kernels::Panels(most), [&](size_t begin, size_t end) {
      MultiplyPanels(context, columns, packed, products, width, {begin, end});
      const size_t left = begin * kernels::kPanelColumns, right = std::min(width, end * kernels::kPanelColumns);
      for (size_t row = 0; row < count; ++row) {
        for (size_t column = left; column < right; ++column)
          sums[(first + row) * width + column] += products[row * width + column];
      }
    });
  }
  return {};
}

}  // namespace

Status AddSecondMoments(ExecutionContext& context, const Rows& x, kernels::WeightFormat format, std::span<float> sums) {
  OCTET_CHECK(sums.size() == x.width * x.width);
  if (x.count == 0) return {};
  const Workspace::Scope all(context.workspace);
  float* turned = OCTET_TRY(context.workspace.Floats(x.width * x.count));
  const PackedMatrix columns = OCTET_TRY(PackColumns(context, x, format, turned));
  return AddProducts(context, turned, columns, /*is_symmetric=*/true, sums);
}

Status AddCrossMoments(ExecutionContext& context, const Rows& a, const Rows& b, kernels::WeightFormat format,
                       std::span<float> sums) {
  OCTET_CHECK(a.width == b.width && a.count == b.count && sums.size() == a.width * a.width);
  if (a.count == 0) return {};
  const Workspace::Scope all(context.workspace);
  float* turned = OCTET_TRY(context.workspace.Floats(a.width * a.count));
  const PackedMatrix columns = OCTET_TRY(PackColumns(context, b, format, turned));
  context.pool.ForEachShare(kernels::Panels(a.width), [&](size_t begin, size_t end) {
    Transpose(a, begin * kernels::kPanelColumns, std::min(a.width, end * kernels::kPanelColumns), turned);
  });
  return AddProducts(context, turned, columns, /*is_symmetric=*/false, sums);
}

void MirrorSecondMoments(ThreadPool& pool, size_t width, std::span<float> sums) {
  pool.ForEachShare(width, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      for (size_t column = row + 1; column < width; ++column) sums[row * width + column] = sums[column * width + row];
    }
  });
}

}  // namespace octet::nn
