// Matrices that take the same inputs, multiplied as one: queries, keys and values, or gate and up. Private to this
// folder.
//
//   JoinedMatrices qkv = OCTET_TRY(LoadJoined(weights, "layers.3.attn.qkv", {192, 64, 64}, 192));
//   OCTET_TRY(MultiplyJoined(context, qkv, rows, out, out_stride, norm));
#pragma once

#include <string>
#include <vector>

#include "models/weights.h"
#include "nn/linear.h"

namespace octet {

// One matrix, or several where a quantiser gave their parts different formats; columns joined in order.
using JoinedMatrices = std::vector<PackedMatrix>;

// The matrix of that name, or its parts where the provider serves them apart; `columns` are the parts'.
Result<JoinedMatrices> LoadJoined(WeightProvider& weights, const std::string& name, std::vector<size_t> columns,
                                  size_t depth);

// All matrices of a joined one from the same rows; out's columns follow each other. Formats may differ, so each packs
// for itself.
template <class Prepare>
Status MultiplyJoined(nn::ExecutionContext& context, const JoinedMatrices& matrices, const nn::Rows& rows, float* out,
                      size_t out_stride, Prepare&& prepare) {
  const nn::Workspace::Scope packed(context.workspace);
  nn::PackedRows input = OCTET_TRY(nn::PackRows(context, matrices.front(), rows, prepare));
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (i > 0) input = OCTET_TRY(nn::PackRows(context, matrices[i], rows, [](size_t, size_t) {}));
    nn::Multiply(context, matrices[i], input, out, out_stride);
    out += matrices[i].columns;
  }
  return {};
}

}  // namespace octet
