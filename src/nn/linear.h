// Linear maps of many rows: rows packed once, products shared over the threads by columns.
//
//   PackedRows input = OCTET_TRY(PackRows(context, matrix, {x, hidden, rows, hidden},
//                                         [&](size_t begin, size_t end) { Norm(...); }));
//   Multiply(context, matrix, input, out, out_stride);
//
// An output element is computed by one thread in an order that depends on the weights alone. Layouts: kernels/layout.h.
#pragma once

#include <utility>

#include "nn/execution_context.h"
#include "tensor/packed_matrix.h"

namespace octet::nn {

// Rows of floats: row r at data + r * stride.
struct Rows {
  const float* data = nullptr;
  size_t stride = 0;
  size_t count = 0;
  size_t width = 0;
};

// Rows as the products read them; memory of the context's workspace.
struct PackedRows {
  const void* data = nullptr;
  const float* row_scales = nullptr;    // null for 1
  const float* block_scales = nullptr;  // of each row's blocks of 128 inputs, null for 1
  kernels::ActivationFormat format = kernels::ActivationFormat::kF32;
  size_t count = 0;
  size_t padded_depth = 0;
};

namespace internal {
// One packing: its arguments, and where the rows are rounded first, by a scale that the matrix has for all of them or
// in blocks.
struct Packing {
  kernels::KernelTable::PackArgs args;
  kernels::ActivationFormat format = kernels::ActivationFormat::kF32;
  float* rounded = nullptr;  // [rows, depth], or null
  bool is_mx = false;        // rounded in blocks of 32
};
Result<Packing> PlanPacking(ExecutionContext& context, const PackedMatrix& matrix, const Rows& rows);
void PackBlocks(const ExecutionContext& context, const PackedMatrix& matrix, Packing packing, size_t first_block,
                size_t end_block);
}  // namespace internal

// Packs rows for products with this matrix, and others of its format and input_scale. prepare(begin, end) is called
// first for each range of rows, on the thread that packs them, to compute what `rows` points at: one parallel region
// for both, none where a single block holds all rows. Fails with exhausted where the workspace does, with unsupported
// where integer sums over the depth would overflow.
template <class Prepare>
Result<PackedRows> PackRows(ExecutionContext& context, const PackedMatrix& matrix, const Rows& rows,
                            Prepare&& prepare) {
  const internal::Packing packing = OCTET_TRY(internal::PlanPacking(context, matrix, rows));
  const auto pack = [&](size_t first_block, size_t end_block) {
    prepare(kernels::RowBlockBegin(rows.count, first_block), kernels::RowBlockBegin(rows.count, end_block));
    internal::PackBlocks(context, matrix, packing, first_block, end_block);
  };
  const size_t blocks = kernels::RowBlocks(rows.count);
  if (blocks <= 1) {
    if (blocks == 1) pack(0, 1);
  } else {
    context.pool.ForEachShare(blocks, pack);
  }
  const kernels::KernelTable::PackArgs& args = packing.args;
  return PackedRows{.data = args.packed,
                    .row_scales = args.row_scales,
                    .block_scales = args.block_scales,
                    .format = packing.format,
                    .count = rows.count,
                    .padded_depth = args.padded_depth};
}

// Panels first .. end - 1 of the matrix times the rows, on the calling thread. out [rows, out_stride] begins at the
// matrix' column 0.
void MultiplyPanels(const ExecutionContext& context, const PackedMatrix& matrix, const PackedRows& input, float* out,
                    size_t out_stride, std::pair<size_t, size_t> panels);

// The whole product, one parallel region.
void Multiply(ExecutionContext& context, const PackedMatrix& matrix, const PackedRows& input, float* out,
              size_t out_stride);

}  // namespace octet::nn
