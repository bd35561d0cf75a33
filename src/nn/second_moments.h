// Sums of x x^T over many rows: how often inputs of a matrix move together, which says what rounding its weights costs;
// and sums of a b^T.
//
//   std::vector<float> sums(width * width);
//   OCTET_TRY(AddSecondMoments(context, rows, kernels::WeightFormat::kBf16, sums));     // for each piece of the rows
//   MirrorSecondMoments(context.pool, width, sums);                                     // once, at the end
//
// What they are for: quantize/input_statistics.h.
#pragma once

#include <span>

#include "nn/linear.h"

namespace octet::nn {

// sums[i, j] += sum over the rows r of x[r, i] * x[r, j], for j <= i; elements above the diagonal hold what they like.
// kBf16: of x rounded to BF16, which is what products with weights that aren't FP32 see; kF32: of x. The sum of a call
// is one FP32 chain over the rows, the same bits for any number of threads. Fails with exhausted where the workspace
// does. Work: rows * width^2 / 2 multiply-adds and some 2,000 floats of workspace for each of width. Requires
// sums.size() == width^2.
Status AddSecondMoments(ExecutionContext& context, const Rows& x, kernels::WeightFormat format, std::span<float> sums);

// sums[i, j] += sum over the rows r of a[r, i] * b[r, j], for all i and j; like AddSecondMoments else, with twice the
// work. Requires as many rows and columns of a as of b.
Status AddCrossMoments(ExecutionContext& context, const Rows& a, const Rows& b, kernels::WeightFormat format,
                       std::span<float> sums);

// Copies what is below the diagonal above it.
void MirrorSecondMoments(ThreadPool& pool, size_t width, std::span<float> sums);

}  // namespace octet::nn
