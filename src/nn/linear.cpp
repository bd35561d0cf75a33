#include "nn/linear.h"

#include <algorithm>
#include <cmath>

#include "numeric/mx.h"

namespace octet::nn {
namespace internal {

using kernels::ActivationFormat;
using kernels::WeightFormat;

namespace {

ActivationFormat FormatFor(const ExecutionContext& context, WeightFormat format) {
  const ActivationMode mode = context.activations;
  if (mode == ActivationMode::kNvfp4 && format == WeightFormat::kNvfp4) return ActivationFormat::kNvfp4;
  const bool takes_int8 = mode == ActivationMode::kAuto ? kernels::IsInteger(format) : kernels::TakesInt8(format);
  const bool wants_int8 = mode == ActivationMode::kInt8 || mode == ActivationMode::kAuto;
  return wants_int8 && takes_int8 ? ActivationFormat::kInt8 : kernels::ActivationsOf(format);
}

Result<size_t> PackingBytes(ActivationFormat activations, WeightFormat weights, size_t rows, size_t padded) {
  if (activations != ActivationFormat::kInt8) return kernels::ActivationBytes(activations, rows, padded);
  if (padded > kernels::kMaxIntegerDepth) {
    return Fail(ErrorCode::kUnsupported, "int8 activations of ", padded, " inputs could overflow their sums, ",
                kernels::kMaxIntegerDepth, " are possible; use BF16 activations");
  }
  return kernels::Int8ActivationBytes(weights, rows, padded);
}

}  // namespace

Result<Packing> PlanPacking(ExecutionContext& context, const PackedMatrix& matrix, const Rows& rows) {
  const WeightFormat format = matrix.format;
  const size_t padded = kernels::PaddedDepth(format, rows.width);
  Packing packing;
  kernels::KernelTable::PackArgs& args = packing.args;
  args.x = rows.data;
  args.stride = rows.stride;
  args.rows = rows.count;
  args.depth = rows.width;
  args.padded_depth = padded;
  args.weights = format;
  packing.format = FormatFor(context, format);
  if (packing.format == ActivationFormat::kNvfp4) args.static_scale = matrix.input_scale;
  const size_t bytes = OCTET_TRY(PackingBytes(packing.format, format, rows.count, padded));
  args.packed = OCTET_TRY(context.workspace.Bytes(bytes));
  const bool in_blocks = format == WeightFormat::kE4M3Block;
  const bool takes_e4m3 = format == WeightFormat::kE4M3 || in_blocks || kernels::Int4Group(format) != 0;
  const bool is_e4m3 = takes_e4m3 && context.activations == ActivationMode::kE4M3;
  if (is_e4m3 && in_blocks && matrix.input_scale == 0)
    args.block_scales = OCTET_TRY(context.workspace.Floats(rows.count * kernels::Fp8Blocks(rows.width)));
  else if (is_e4m3 || packing.format == ActivationFormat::kInt8 || packing.format == ActivationFormat::kNvfp4)
    args.row_scales = OCTET_TRY(context.workspace.Floats(rows.count));
  packing.is_mx = matrix.takes_mx_inputs && context.activations == ActivationMode::kE4M3;
  if (packing.is_mx || (is_e4m3 && matrix.input_scale != 0)) {
    packing.rounded = OCTET_TRY(context.workspace.Floats(rows.count * rows.width));
  }
  return packing;
}

// The values of the codes of x / scale, which BF16 holds exactly.
void RoundRows(const Packing& packing, float scale, size_t first_row, size_t end_row) {
  for (size_t row = first_row; row < end_row; ++row) {
    const float* x = packing.args.x + row * packing.args.stride;
    float* rounded = packing.rounded + row * packing.args.depth;
    for (size_t k = 0; k < packing.args.depth; ++k) rounded[k] = ToFloat(ToE4M3(x[k] / scale));
    packing.args.row_scales[row] = scale;
  }
}

// The values of MXFP8 codes, which BF16 holds exactly.
void RoundMxRows(const Packing& packing, size_t first_row, size_t end_row) {
  for (size_t row = first_row; row < end_row; ++row) {
    const float* x = packing.args.x + row * packing.args.stride;
    float* rounded = packing.rounded + row * packing.args.depth;
    for (size_t first = 0; first < packing.args.depth; first += kMxBlock) {
      const size_t end = std::min(first + kMxBlock, packing.args.depth);
      float amax = 0;
      for (size_t k = first; k < end; ++k) amax = std::max(amax, std::fabs(x[k]));
      const float scale = ToFloat(Mxfp8Scale(amax));
      for (size_t k = first; k < end; ++k) rounded[k] = ToFloat(ToE4M3(x[k] / scale)) * scale;
    }
  }
}

void PackBlocks(const ExecutionContext& context, const PackedMatrix& matrix, Packing packing, size_t first_block,
                size_t end_block) {
  kernels::KernelTable::PackArgs& args = packing.args;
  args.first_block = first_block;
  args.end_block = end_block;
  if (packing.rounded != nullptr) {
    const size_t first_row = kernels::RowBlockBegin(args.rows, first_block);
    const size_t end_row = kernels::RowBlockBegin(args.rows, end_block);
    if (packing.is_mx)
      RoundMxRows(packing, first_row, end_row);
    else
      RoundRows(packing, matrix.input_scale, first_row, end_row);
    args.x = packing.rounded;
    args.stride = args.depth;
  }
  if (packing.rounded != nullptr && packing.format == ActivationFormat::kBf16) {
    context.kernels.pack_activations_bf16(args);
  } else if (packing.format == ActivationFormat::kF32) {
    context.kernels.pack_activations_f32(args);
  } else if (packing.format == ActivationFormat::kInt8) {
    context.kernels.pack_activations_int8(args);
  } else if (packing.format == ActivationFormat::kNvfp4) {
    context.kernels.pack_activations_nvfp4(args);
  } else if (args.block_scales != nullptr) {
    context.kernels.pack_activations_e4m3_blocks(args);
  } else if (args.row_scales != nullptr) {
    context.kernels.pack_activations_e4m3(args);
  } else {
    context.kernels.pack_activations_bf16(args);
  }
}

}  // namespace internal

void MultiplyPanels(const ExecutionContext& context, const PackedMatrix& matrix, const PackedRows& input, float* out,
                    size_t out_stride, std::pair<size_t, size_t> panels) {
  kernels::GemmArgs args;
  args.weights = matrix.panels.data();
  args.column_scales = matrix.column_scales.empty() ? nullptr : matrix.column_scales.data();
  args.bias = matrix.bias.empty() ? nullptr : matrix.bias.data();
  args.activations = input.data;
  args.row_scales = input.row_scales;
  args.block_scales = input.block_scales;
  args.out = out;
  args.out_stride = out_stride;
  args.rows = input.count;
  args.depth = input.padded_depth;
  args.columns = matrix.columns;
  args.first_panel = panels.first;
  args.end_panel = panels.second;
  context.kernels.GemmOf(matrix.format, input.format)(args);
}

void Multiply(ExecutionContext& context, const PackedMatrix& matrix, const PackedRows& input, float* out,
              size_t out_stride) {
  if (input.count == 0) return;
  context.pool.ForEachShare(kernels::Panels(matrix.columns), [&](size_t begin, size_t end) {
    MultiplyPanels(context, matrix, input, out, out_stride, {begin, end});
  });
}

}  // namespace octet::nn
